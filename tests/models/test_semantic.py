"""SMP's models: the encoders and weights they take, what they refuse, and how they load pretrained weights."""

from pathlib import Path

import huggingface_hub
import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file
from segmentation_models_pytorch import encoders as smp_encoders
from timm.models import _builder as timm_builder
from torch import nn

from segtrain.errors import ConfigError
from segtrain.models import deeplabv3, dpt, encoder_names, fpn, linknet, pan, pspnet, unet, unetplusplus, upernet


def logits_shape(model: nn.Module, side: int = 64) -> tuple[int, ...]:
    with torch.no_grad():
        return tuple(model.eval()(torch.randn(1, 3, side, side)).shape)


@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet-b0", "mobilenet_v2", "mit_b0", "tu-test_convnext"])
def test_encoders_of_smp_and_timm(encoder: str) -> None:
    model = unet(num_classes=3, encoder=encoder)
    assert logits_shape(model) == (1, 3, 64, 64)


def test_parameters_that_no_output_depends_on_rest() -> None:
    resting = [
        name for name, parameter in unet(2, encoder="efficientnet-b0").named_parameters() if not parameter.requires_grad
    ]
    assert resting == ["encoder._conv_head.weight", "encoder._bn1.weight", "encoder._bn1.bias"]
    resting = [name for name, parameter in pspnet(2).named_parameters() if not parameter.requires_grad]
    assert {name.split(".")[1] for name in resting} == {"layer3", "layer4"}


def test_a_build_draws_the_same_numbers_as_smp_alone() -> None:
    torch.manual_seed(3)
    ours = unet(2)
    torch.manual_seed(3)
    theirs = smp.Unet("resnet18", encoder_weights=None, classes=2)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    assert all(torch.equal(value, state[key]) for key, value in ours.state_dict().items())


@pytest.mark.parametrize("encoder_depth", [3, 4, 5])
def test_any_depth_gives_logits_of_the_images_size(encoder_depth: int) -> None:
    channels = [32, 16, 16, 16, 16][-encoder_depth:]
    shared = {"num_classes": 2, "encoder": "tu-test_resnet", "encoder_depth": encoder_depth}
    models = [unetplusplus(decoder_channels=channels, **shared), linknet(**shared), fpn(**shared), pspnet(**shared)]
    models += [pan(**shared), deeplabv3(**shared), upernet(**shared)]
    for model in models:
        assert logits_shape(model) == (1, 2, 64, 64), type(model).__name__


@pytest.mark.parametrize("stride", [16, 32])
def test_pan_pads_what_its_pyramid_cannot_halve(stride: int) -> None:
    model = pan(2, encoder="tu-test_resnet", encoder_output_stride=stride)
    assert logits_shape(model, side=32) == (1, 2, 32, 32)
    assert logits_shape(model, side=8 * stride + 32) == (1, 2, 8 * stride + 32, 8 * stride + 32)


def test_a_wrong_encoder_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'encoder' of unet .* got 'resnet19'; did you mean .*resnet18"):
        unet(2, encoder="resnet19")
    with pytest.raises(ConfigError, match="did you mean tu-convnext_tiny"):
        unet(2, encoder="convnext_tiny")
    with pytest.raises(ConfigError, match=r"got 'qqqqqq'$"):
        unet(2, encoder="qqqqqq")
    with pytest.raises(ConfigError, match="has no weights 'a9'; tu-resnet18 has a1_in1k"):
        unet(2, encoder="tu-resnet18.a9")


def test_wrong_weights_are_answered_with_the_right_ones() -> None:
    with pytest.raises(ConfigError, match=r"'encoder_weights' of unet .* one of imagenet, ssl, swsl, got 'imagenette'"):
        unet(2, encoder_weights="imagenette")
    with pytest.raises(ConfigError, match=r"for tu-resnet18.a1_in1k, one of a1_in1k, got 'a2_in1k'"):
        unet(2, encoder="tu-resnet18.a1_in1k", encoder_weights="a2_in1k")


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        unet(0, in_channels=0, encoder="resnet19", encoder_depth=6, dropout=1.0)
    assert len(caught.value.faults) == 5
    assert "The 'encoder_depth' of unet must be from 3 to 5, got 6" in caught.value.faults


def test_what_smp_refuses_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"unet cannot be built .* 3 blocks"):
        unet(2, decoder_channels=[64, 32, 16], encoder_depth=5)
    with pytest.raises(ConfigError, match=r"linknet cannot be built .* mit_b0"):
        linknet(2, encoder="mit_b0")
    with pytest.raises(ConfigError, match="Unsupported model downsampling pattern"):
        unet(2, encoder="tu-test_vit")
    with pytest.raises(ConfigError, match=r"dpt cannot be built .* must start with 'tu-'"):
        dpt(2, encoder="resnet18")
    with pytest.raises(ConfigError, match="patches that divide 32 pixels, got tu-vit_small_patch14_dinov2 with 14"):
        dpt(2, encoder="tu-vit_small_patch14_dinov2", decoder_fusion_channels=16)


def test_dpts_own_dropout_is_the_one_that_is_set() -> None:
    small = {"encoder": "tu-test_vit", "decoder_intermediate_channels": [16] * 4, "decoder_fusion_channels": 16}
    rates = [module.p for module in dpt(2, dropout=0.3, **small).segmentation_head.modules() if hasattr(module, "p")]
    assert rates == [0.3]


def test_every_encoder_has_a_name() -> None:
    names = encoder_names()
    assert {"resnet18", "mit_b0", "tu-convnext_tiny", "tu-vit_base_patch16_224"} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("encoder", ["resnet18", "tu-test_resnet"])
def test_without_a_network_one_sentence_says_what_to_do(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        unet(2, encoder=encoder, encoder_weights="imagenet")
    assert str(caught.value) == (
        f"The weights 'imagenet' of the encoder {encoder} could not be downloaded and are not in the local cache: "
        "connect to the network, or start from random weights with model.encoder_weights=null"
    )


def test_smps_weights_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = smp_encoders.get_encoder("resnet18").state_dict()
    save_file(published, tmp_path / "model.safetensors")
    asked = []

    def download(repo_id: str, filename: str, revision: str) -> str:
        asked.append((repo_id, filename))
        return str(tmp_path / filename)

    monkeypatch.setattr(smp_encoders, "hf_hub_download", download)
    state = unet(2, encoder_weights="imagenet").encoder.state_dict()
    assert ("smp-hub/resnet18.imagenet", "model.safetensors") in asked
    assert all(torch.equal(state[key], value) for key, value in published.items())


@pytest.mark.parametrize(
    ("encoder", "weights"),
    [("tu-resnet18", "a2_in1k"), ("tu-resnet18.a2_in1k", "imagenet"), ("tu-resnet18.a2_in1k", "a2_in1k")],
)
def test_timms_weights_are_loaded(encoder: str, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    published = {
        key: torch.full_like(value, 0.25) if value.is_floating_point() else value
        for key, value in unet(2, encoder="tu-resnet18").encoder.model.state_dict().items()
    }
    asked = []

    def download(model_id: str, **_options: object) -> dict[str, torch.Tensor]:
        asked.append(model_id)
        return published

    monkeypatch.setattr(timm_builder, "load_state_dict_from_hf", download)
    model = unet(2, encoder=encoder, encoder_weights=weights)
    assert asked == ["timm/resnet18.a2_in1k"]
    assert (model.encoder.model.conv1.weight == 0.25).all()
