"""Where in its loop the trainer stands, asked when a batch has just been trained."""

from pytorch_lightning import Trainer

__all__ = ["at_rest", "stepped", "validation_due"]


def stepped(trainer: Trainer, batch_idx: int) -> bool:
    """Whether the optimiser has stepped in this batch, so that no gradient is waiting."""
    return (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch


def validation_due(trainer: Trainer, batch_idx: int) -> bool:
    """Whether validation follows this batch."""
    epochs, batches = trainer.check_val_every_n_epoch, trainer.val_check_batch
    if not trainer.enable_validation or batches is None:
        return False
    if epochs is None:
        return (trainer.fit_loop.total_batch_idx + 1) % batches == 0
    return (trainer.current_epoch + 1) % epochs == 0 and (batch_idx + 1) % batches == 0


def at_rest(trainer: Trainer, batch_idx: int) -> bool:
    """Whether the state after this batch is all there is: no gradient waits, no validation, no end of an epoch is due.

    Lightning resumes from such a state exactly. From a state saved while validation is still due, it leaves that
    validation out.
    """
    return stepped(trainer, batch_idx) and not trainer.is_last_batch and not validation_due(trainer, batch_idx)
