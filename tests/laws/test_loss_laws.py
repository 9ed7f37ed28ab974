"""What every loss in configs/loss/ must keep, so that no strategy needs to know which one it meets."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from scipy.stats import entropy
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from segtrain.types import CLASS_AXIS, one_hot, to_probs

CONFIGS = Path(__file__).parents[2] / "configs" / "loss"
OPTIONS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
SHAPES = {"binary": (2, 2, 6, 5), "exclusive": (2, 3, 6, 5), "overlapping": (2, 3, 2, 6, 5)}

OTHER_VALUES = {
    "class_weights": [[0.2, 1.0, 3.0]],
    "smooth": [0.0, 20.0],
    "per_image": [True],
    "include_background": [True, False],
    "count_absent": [True],
    "gamma": [0.0, 0.5, 1.0],
    "alpha": [0.7],
    "beta": [0.3],
    "q": [0.2, 1.0],
    "log_zero": [-9.21],
    "order": [1, 6],
    "hard": [True],
    "pi": [0.1, 0.9],
    "squared": [False],
    "log_nu": [-3.0],
    "noise_robust_dice.gamma": [1.0, 2.0],
    "bootstrap.beta": [0.8],
}
"""The laws also hold away from the defaults: each parameter that has a value here is tried on its own."""


def read(option: str):
    config = OmegaConf.load(CONFIGS / f"{option}.yaml")
    assert list(config) == [option], "an option's file holds one key, its own name"
    return config[option]


def settings(option: str, shape: str):
    """Each setting of the option that fits the shape: the file's own, then one other value at a time."""
    yield {}
    for name in read(option):
        if name == "class_weights" and shape == "binary":
            continue
        for value in OTHER_VALUES.get(f"{option}.{name}", OTHER_VALUES.get(name, [])):
            yield {name: value}


CASES = [
    pytest.param(option, shape, setting, id="-".join([option, shape, *(f"{k}={v}" for k, v in setting.items())]))
    for option in OPTIONS
    for shape in SHAPES
    for setting in settings(option, shape)
]
every_case = pytest.mark.parametrize(("option", "shape", "setting"), CASES)
every_option = pytest.mark.parametrize("option", OPTIONS)


def build(option: str, setting: dict | None = None):
    return instantiate(OmegaConf.merge(read(option), setting or {}))


def hard_target(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = shape[:CLASS_AXIS] + shape[CLASS_AXIS + 1 :]
    return one_hot(torch.randint(shape[CLASS_AXIS], size, generator=generator), shape[CLASS_AXIS])


def soft_target(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return to_probs(2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


def inputs(shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, a target that is hard in one half of the image and soft in the other, and weights, some of them 0."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape, generator=generator)
    target = torch.cat([hard_target(shape, seed)[..., :3, :], soft_target(shape, seed)[..., 3:, :]], dim=-2)
    weight = torch.rand(shape[0], *shape[-2:], generator=generator)
    weight[:, 1] = 0
    return logits, target, weight


def value_and_grad(criterion, logits: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    loss = criterion(logits, target, weight)
    loss.backward()
    return loss.detach(), logits.grad


@every_case
def test_is_a_finite_scalar_at_least_0(option, shape, setting):
    for seed in range(3):
        logits, target, weight = inputs(SHAPES[shape], seed)
        before = [tensor.clone() for tensor in (logits, target, weight)]
        loss, grad = value_and_grad(build(option, setting), logits, target, weight)
        assert loss.shape == ()
        assert loss.dtype == torch.float32
        assert 0 <= loss < torch.inf
        assert grad.isfinite().all()
        assert all(map(torch.equal, before, (logits, target, weight))), "the inputs were changed"


@every_case
def test_a_pixel_of_weight_0_has_no_say(option, shape, setting):
    criterion = build(option, setting)
    logits, target, weight = inputs(SHAPES[shape])
    ignored = (weight == 0).view(weight.shape[0], *[1] * (logits.ndim - 3), *weight.shape[1:]).expand_as(logits)
    loss, grad = value_and_grad(criterion, logits, target, weight)
    assert grad[~ignored].abs().max() > 0, "no gradient at all: the law could not fail"
    assert (grad[ignored] == 0).all()
    uniform = torch.where(ignored, 1 / logits.shape[CLASS_AXIS], target)
    for bad in (1e30, torch.inf, torch.nan):
        broken = logits.masked_fill(ignored, bad)
        broken[..., 0, :, :] = torch.where(ignored, -broken, broken)[..., 0, :, :]
        same_loss, same_grad = value_and_grad(criterion, broken, uniform, weight)
        assert torch.equal(same_loss, loss)
        assert torch.equal(same_grad, grad)


@every_case
def test_scaling_all_weights_changes_nothing(option, shape, setting):
    criterion = build(option, setting)
    logits, target, weight = inputs(SHAPES[shape])
    loss, grad = value_and_grad(criterion, logits, target, weight)
    for scale in (0.5, 1e-4):
        scaled_loss, scaled_grad = value_and_grad(criterion, logits, target, scale * weight)
        torch.testing.assert_close(scaled_loss, loss, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(scaled_grad, grad, rtol=1e-4, atol=1e-7)
    assert criterion(logits, target, weight**2) != loss, "the weights have no say"


@every_case
def test_all_weights_0_give_a_0_connected_to_the_graph(option, shape, setting):
    logits, target, weight = inputs(SHAPES[shape])
    loss, grad = value_and_grad(build(option, setting), logits, target, torch.zeros_like(weight))
    assert loss == 0
    assert (grad == 0).all()


def assert_least_at(best: Tensor, criterion, target: Tensor, weight: Tensor) -> None:
    """No logits give less than these: near ones, random ones, or any on two ways down."""
    least = criterion(best, target, weight)
    generator = torch.Generator().manual_seed(1)
    for scale in (1e-3, 1e-2, 0.1, 1.0, 10.0):
        for _ in range(4):
            noise = scale * torch.randn(target.shape, generator=generator)
            assert criterion(best + noise, target, weight) >= least - 1e-6
            assert criterion(scale * noise, target, weight) >= least - 1e-6
    start = torch.randn(target.shape, generator=generator)
    assert criterion(start, target, weight) > least + 1e-3, "the loss is flat: the law could not fail"
    for logits in (best.clone().requires_grad_(), start.requires_grad_()):
        optimizer = torch.optim.Adam([logits], lr=0.2)
        for _ in range(20):
            optimizer.zero_grad()
            loss = criterion(logits, target, weight)
            loss.backward()
            optimizer.step()
            assert loss >= least - 1e-6


def logits_of(probs: Tensor) -> Tensor:
    return probs.clamp_min(1e-30).log().float()


# Where a loss is the mean of its paper's over a soft target's distribution, or mixes in the prediction, it is least
# at something sharper. Each of these is worked out from the paper's formula, and no loss may be least elsewhere.


def largest_class(target: Tensor) -> Tensor:
    return one_hot(target.argmax(CLASS_AXIS), target.shape[CLASS_AXIS])


def bisect(above, low: Tensor, high: Tensor) -> Tensor:
    """Give where `above` turns from true to false, element by element."""
    for _ in range(45):
        middle = (low + high) / 2
        low, high = torch.where(above(middle), middle, low), torch.where(above(middle), high, middle)
    return (low + high) / 2


def balanced(pull, target: Tensor) -> Tensor:
    """Give the probabilities at which all classes of a pixel are pulled alike, or are 0 and pulled less (Lagrange).

    `pull(p, y)` is minus the slope of a pixel's loss in a class's probability; it falls as p grows.
    """
    target = target.double()
    zero, one = torch.zeros_like(target), torch.ones_like(target)

    def share(common: Tensor) -> Tensor:
        return bisect(lambda probs: pull(probs, target) > common, zero, one)

    ends = [torch.full_like(target.sum(CLASS_AXIS, keepdim=True), end) for end in (-1e3, 1e3)]
    return share(bisect(lambda common: share(common).sum(CLASS_AXIS, keepdim=True) > 1, *ends))


def least_generalized(target: Tensor, q: float) -> Tensor:
    return logits_of(largest_class(target)) if q == 1 else logits_of(target) / (1 - q)


def least_symmetric(target: Tensor, alpha: float, beta: float, log_zero: float) -> Tensor:
    return logits_of(balanced(lambda p, y: alpha * y / p + beta * y.log().clamp_min(log_zero), target))


def least_active_passive(target: Tensor, **_: float) -> Tensor:
    """The largest class is sure, and the least likely one excluded far beyond the others: both parts are least."""
    rank = target.argsort(CLASS_AXIS).argsort(CLASS_AXIS)
    gone = torch.where(rank == 0, -1e9, -60.0)
    return torch.where(rank == target.shape[CLASS_AXIS] - 1, 0.0, gone)


def least_taylor(target: Tensor, order: int) -> Tensor:
    if order == 1:
        return logits_of(largest_class(target))
    return logits_of(balanced(lambda p, y: y * sum((1 - p) ** i for i in range(order)), target))


def least_bootstrap(target: Tensor, beta: float | None, hard: bool) -> Tensor:
    if hard:
        beta = 0.8 if beta is None else beta
        return logits_of(beta * target + (1 - beta) * largest_class(target))
    beta = 0.95 if beta is None else beta
    # The pull falls up to p = beta y / (1 - beta), and the least is before that.
    return logits_of(balanced(lambda p, y: beta * y / p + (1 - beta) * p.log(), target))


SHARPER = {
    "generalized_cross_entropy": least_generalized,
    "symmetric_cross_entropy": least_symmetric,
    "active_passive": least_active_passive,
    "taylor_cross_entropy": least_taylor,
    "bootstrap": least_bootstrap,
}
"""The logits of the least value on a soft target, for the losses that are not least at probs = target."""


@every_case
def test_least_at_probs_equal_to_a_soft_target_or_where_the_formula_says(option, shape, setting):
    target = soft_target(SHAPES[shape])
    best = logits_of(target)
    if option in SHARPER:
        parameters = {name: value for name, value in read(option).items() if name not in ("_target_", "class_weights")}
        best = SHARPER[option](target, **{**parameters, **{k: v for k, v in setting.items() if k in parameters}})
    assert_least_at(best, build(option, setting), target, inputs(SHAPES[shape])[2])


@pytest.mark.parametrize("option", SHARPER)
def test_a_loss_with_a_least_value_of_its_own_is_not_least_at_the_target(option):
    shape = SHAPES["exclusive"]
    with pytest.raises(AssertionError):
        assert_least_at(logits_of(soft_target(shape)), build(option), soft_target(shape), inputs(shape)[2])


@every_option
@pytest.mark.parametrize("shape", SHAPES)
def test_least_at_probs_equal_to_a_hard_target(option, shape):
    target = hard_target(SHAPES[shape])
    assert_least_at(logits_of(target), build(option), target, inputs(SHAPES[shape])[2])


def plain_dice(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    probs, weight = to_probs(logits), weight.unsqueeze(1)
    return 1 - (2 * (weight * probs * target).sum() / (weight * (probs + target)).sum())


def plain_focal(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    probs = to_probs(logits)
    return -(weight.unsqueeze(1) * target * (1 - probs) ** 2 * probs.clamp_min(1e-30).log()).sum() / weight.sum()


@pytest.mark.parametrize("improper", [plain_dice, plain_focal])
def test_the_law_of_the_least_value_catches_losses_that_break_it(improper):
    shape = SHAPES["exclusive"]
    with pytest.raises(AssertionError):
        assert_least_at(logits_of(soft_target(shape)), improper, soft_target(shape), inputs(shape)[2])


@pytest.mark.parametrize(("option", "shape", "setting"), [case for case in CASES if case.values[1] == "overlapping"])
def test_overlapping_classes_are_binary_problems_done_one_by_one(option, shape, setting):
    logits, target, weight = inputs(SHAPES[shape])
    loss, grad = value_and_grad(build(option, setting), logits, target, weight)
    share = torch.tensor(setting.get("class_weights", [1.0] * logits.shape[1]))
    share = share / share.sum()
    binary = build(option, {name: value for name, value in setting.items() if name != "class_weights"})
    parts = [value_and_grad(binary, logits[:, k], target[:, k], weight) for k in range(logits.shape[1])]
    torch.testing.assert_close(loss, sum(s * part for s, (part, _) in zip(share, parts, strict=True)))
    expected = torch.stack([s * part for s, (_, part) in zip(share, parts, strict=True)], dim=1)
    torch.testing.assert_close(grad, expected)


@every_option
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_stays_finite_where_half_precision_overflows(option, dtype):
    criterion = build(option)
    shape = (1, 2, 512, 512)  # 262,144 pixels; float16 ends at 65,504
    logits, target = 4 * torch.randn(shape, generator=torch.Generator().manual_seed(0)), hard_target(shape)
    logits, weight = logits.to(dtype), torch.ones(1, 512, 512)
    with torch.autocast("cpu", dtype=dtype):
        loss, grad = value_and_grad(criterion, logits, target, weight)
    expected, expected_grad = value_and_grad(criterion, logits.float(), target, weight)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    assert grad.dtype == dtype
    torch.testing.assert_close(grad, expected_grad.to(dtype))


@every_option
def test_the_file_lists_every_parameter_with_its_default(option):
    config = read(option)
    lines = (CONFIGS / f"{option}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    parameters = inspect.signature(get_class(config["_target_"])).parameters
    defaults = {"_target_": config["_target_"], **{name: p.default for name, p in parameters.items()}}
    assert OmegaConf.to_container(config) == defaults


LEARNS = {"t_loss": ["log_nu"]}
"""What a loss learns itself, and so has to save."""


@every_option
def test_has_no_state_but_what_it_learns(option):
    criterion = build(option, {"class_weights": [1.0, 2.0]})
    assert list(criterion.state_dict()) == LEARNS.get(option, [])
    assert [name for name, _ in criterion.named_parameters()] == LEARNS.get(option, [])


# One-hot equals hard: each loss against its formula by class numbers, in numpy.


def overlap_by_index(p: np.ndarray, y: np.ndarray, w: np.ndarray, alpha: float, beta: float, smooth: float) -> float:
    counted, losses = ([1] if len(p[0]) == 2 else range(len(p[0]))), {}
    for c in counted:
        true = sum(p[i, c] * w[i] for i in range(len(y)) if y[i] == c)
        extra = sum(p[i, c] * w[i] for i in range(len(y)) if y[i] != c)
        missed = sum((1 - p[i, c]) * w[i] for i in range(len(y)) if y[i] == c)
        smooth_c = smooth * w.max()
        losses[c] = 1 - (true + smooth_c) / (true + alpha * extra + beta * missed + smooth_c)
    present = [c for c in counted if any(y == c)] or counted
    return float(np.mean([losses[c] for c in present]))


IMAGES = SHAPES["binary"][0], *SHAPES["binary"][2:]
"""(B, H, W) of the pixels that the formulas below are given as (N,)."""


def by_image(*flat: np.ndarray):
    """Give each image's part, (H, W, ...)."""
    return zip(*(values.reshape(*IMAGES, *values.shape[1:]) for values in flat), strict=True)


def noise_robust_dice_by_index(p: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    counted, losses = ([1] if len(p[0]) == 2 else range(len(p[0]))), {}
    for c in counted:
        wrong = sum(abs(p[i, c] - (y[i] == c)) ** 1.5 * w[i] for i in range(len(y)))
        losses[c] = wrong / (sum((p[i, c] ** 2 + (y[i] == c)) * w[i] for i in range(len(y))) + 1e-5 * w.max())
    present = [c for c in counted if any(y == c)] or counted
    return float(np.mean([losses[c] for c in present]))


def lovasz_by_index(p: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    """The extension as Lovasz defines it: the errors, sorted, times by how much each raises the set's Jaccard loss."""

    def jaccard_loss(wrong: list[int], c: int) -> float:
        true = sum(w[i] for i in range(len(y)) if y[i] == c and i not in wrong)
        union = sum(w[i] for i in range(len(y)) if y[i] == c or i in wrong)
        return 1 - true / union if union else 0.0

    counted, losses = ([1] if len(p[0]) == 2 else range(len(p[0]))), {}
    for c in counted:
        error = [abs(p[i, c] - (y[i] == c)) for i in range(len(y))]
        order = sorted(range(len(y)), key=lambda i: -error[i])
        sets = [jaccard_loss(order[:n], c) for n in range(len(y) + 1)]
        losses[c] = sum(error[i] * (sets[n + 1] - sets[n]) for n, i in enumerate(order))
    present = [c for c in counted if any(y == c)] or counted
    return float(np.mean([losses[c] for c in present]))


def t_loss_by_index(p: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    nu, total = np.e + 1e-8, 0.0
    w = w / w.max()
    for probs, label, weight in by_image(p, y, w):
        error = ((probs - np.eye(len(p[0]))[label]) ** 2).sum(-1) / 2
        total += (nu + weight.sum()) / 2 * np.log(1 + (error * weight).sum() / nu)
    return total / w.sum()


def boundary_by_index(p: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    counted, total = ([1] if len(p[0]) == 2 else range(len(p[0]))), 0.0
    for probs, label, weight in by_image(p, y, w):
        places = [(i, j) for i in range(IMAGES[1]) for j in range(IMAGES[2])]
        for c in counted:
            for i, j in places:
                inside = label[i, j] == c
                others = [(k, m) for k, m in places if (label[k, m] == c) != inside and weight[k, m] > 0]
                if others:
                    near = min(np.hypot(i - k, j - m) for k, m in others)
                    depth = 1 - near if inside else near
                    total += weight[i, j] * depth * (probs[i, j, c] - inside) / len(counted)
    return total / w.sum()


def robust(pixel):
    """The weighted mean of a formula (p (C,), y) over the pixels."""
    return lambda p, y, w: sum(pixel(p[i], c) * w[i] for i, c in enumerate(y)) / w.sum()


def jensen_shannon(p: np.ndarray, c: int) -> float:
    label = np.eye(len(p))[c]
    mean = (label + p) / 2
    return (entropy(mean) - entropy(p) / 2) / (np.log(2) / 2)


BY_INDEX = {
    "cross_entropy": lambda p, y, w: sum(-np.log(p[i, c]) * w[i] for i, c in enumerate(y)) / w.sum(),
    "bce": lambda p, y, w: (
        sum(-np.log(np.where(np.arange(len(p[i])) == c, p[i], 1 - p[i])).mean() * w[i] for i, c in enumerate(y))
        / w.sum()
    ),
    "focal": lambda p, y, w: sum(-((1 - p[i, c]) ** 2) * np.log(p[i, c]) * w[i] for i, c in enumerate(y)) / w.sum(),
    "dice": lambda p, y, w: overlap_by_index(p, y, w, alpha=0.5, beta=0.5, smooth=0.5),
    "jaccard": lambda p, y, w: overlap_by_index(p, y, w, alpha=1.0, beta=1.0, smooth=1.0),
    "tversky": lambda p, y, w: overlap_by_index(p, y, w, alpha=0.3, beta=0.7, smooth=1.0),
    "mean_absolute_error": robust(lambda p, c: 2 * (1 - p[c])),
    "generalized_cross_entropy": robust(lambda p, c: (1 - p[c] ** 0.7) / 0.7),
    "symmetric_cross_entropy": robust(lambda p, c: -0.1 * np.log(p[c]) + 4 * (1 - p[c])),
    "active_passive": robust(lambda p, c: np.log(p[c]) / np.log(p).sum() + 4 * (1 - p[c])),
    "taylor_cross_entropy": robust(lambda p, c: (1 - p[c]) + (1 - p[c]) ** 2 / 2),
    "bootstrap": robust(lambda p, c: -0.95 * np.log(p[c]) - 0.05 * (p * np.log(p)).sum()),
    "jensen_shannon": robust(jensen_shannon),
    "noise_robust_dice": noise_robust_dice_by_index,
    "lovasz": lovasz_by_index,
    "t_loss": t_loss_by_index,
    "boundary": boundary_by_index,
}
"""The formula for probabilities p (N, C), class numbers y (N,) and weights w (N,); a new option adds its own."""


@every_option
@pytest.mark.parametrize("shape", ["binary", "exclusive"])
def test_one_hot_equals_hard(option, shape):
    logits, _, weight = inputs(SHAPES[shape])
    num_classes = logits.shape[1]
    for present in range(1, num_classes + 1):  # also images that lack a class
        label = torch.randint(present, weight.shape, generator=torch.Generator().manual_seed(present))
        loss = build(option)(logits, one_hot(label, num_classes), weight)
        scores = logits.double().movedim(1, -1).reshape(-1, num_classes).numpy()
        probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        expected = BY_INDEX[option](probs, label.flatten().numpy(), weight.double().flatten().numpy())
        assert loss.item() == pytest.approx(expected, rel=1e-5)


# Memory: at most 1.3 times what cross-entropy on class numbers takes, the one-hot target counted.


def peak_memory(run, trace: Path) -> int:
    """Bytes held at the fullest moment of `run`, beyond those held before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    profiler.export_chrome_trace(str(trace))
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["name"] == "[memory]"]
    held = np.cumsum([event["args"]["Bytes"] for event in sorted(events, key=lambda event: event["ts"])])
    return int(held.max())


@every_option
@pytest.mark.parametrize("shape", [(8, 2, 256, 256), (4, 21, 128, 128), (1, 150, 128, 128)], ids=lambda s: f"C={s[1]}")
def test_peak_memory(option, shape, tmp_path):
    criterion = build(option)
    pixels = (shape[0], *shape[2:])

    def ours() -> None:
        logits, weight = torch.zeros(shape, requires_grad=True), torch.ones(pixels)
        target = torch.zeros(shape)
        target[:, 0] = 1
        criterion(logits, target, weight).backward()

    def cross_entropy_on_class_numbers() -> None:
        logits, label = torch.zeros(shape, requires_grad=True), torch.zeros(pixels, dtype=torch.long)
        torch.nn.functional.cross_entropy(logits, label).backward()

    trace = tmp_path / "trace.json"
    assert peak_memory(ours, trace) <= 1.3 * peak_memory(cross_entropy_on_class_numbers, trace)
