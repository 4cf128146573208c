"""Training in several processes, started by torchrun: all there is to it. Alone, every method returns at once.

Each process holds the whole network and takes its part of every batch. After the backward pass gradients are added
up over all of them, and all make the same update: data parallelism, as `DistributedDataParallel` does it, written out.
DDP itself does not fit a bank. It owns every parameter from the start, so that with filters of which a step uses a
few it would send and keep buffers for all of them, at every step: its time grows with the number of styles. It
also wants one `forward` per step, where the branches here take different ways through the network. Here a step sends
the gradients of the auto-encoder and of the filters in its batch, in one piece, whatever the size of the bank.
(DDP hides that behind the backward pass. There is little to hide: 3 MB for a batch of four.)
"""

from __future__ import annotations

import importlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from stylebank.device import resolve_device
from stylebank.errors import ConfigError, StyleBankError, TrainingError

T = TypeVar("T")

MEETING_KEY, STARTS_KEY = "stylebank/port", "stylebank/starts"
MEETING_SECONDS = 300  # in which all processes must have started
GPU_PATIENCE = timedelta(minutes=3)  # for sending between GPUs, which begins when all have come to it


class ProcessLost(TrainingError):
    """Another process of the run ended, or cannot be reached."""


class SaidElsewhere(TrainingError):
    """All processes stop for a reason that the first one says."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them. The first one alone writes files and speaks for all.

    Every method but `part` is to be called by all processes, in the same order.
    """

    rank: int = 0
    world_size: int = 1
    restarted: bool = False
    """Whether torchrun has started them again after one was lost."""
    gpus: Any = None
    """The group that tensors on GPUs are sent in; None sends them as all else."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def part(self, total: int) -> range:
        """The places in a batch of `total` images that are this process's; parts differ in length by one at most."""
        return range(self.rank * total // self.world_size, (self.rank + 1) * total // self.world_size)

    def all_reduce_sum(self, tensors: Sequence[Tensor], weight: float = 1.0) -> None:
        """Replaces tensors of one dtype and device by their weighted sum over all processes, everywhere the same."""
        if self.world_size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors]).mul_(weight)
        with _reaching_all():
            with _between_roll_calls(flat):
                dist.all_reduce(flat, group=self.gpus)
            _unflatten(flat, tensors)

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Replaces tensors of one dtype and device by those of the first process."""
        if self.world_size == 1:
            return
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        with _reaching_all():
            with _between_roll_calls(flat):
                dist.broadcast(flat, src=0, group=self.gpus)
            _unflatten(flat, tensors)

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, whether it is set in some process."""
        if self.world_size == 1:
            return list(flags)
        numbers = torch.tensor(flags, dtype=torch.int32)  # on the processor: no waiting for a GPU
        with _reaching_all():
            dist.all_reduce(numbers, dist.ReduceOp.MAX)
        return [bool(number) for number in numbers.tolist()]

    def gather(self, value: T) -> list[T]:
        """Every process's value, in order."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        with _reaching_all():
            dist.all_gather_object(values, value)
        return values

    def from_main(self, make: Callable[[], T]) -> T:
        """What the first process makes, in all of them; the others need not even see the files it comes from.

        Raises:
            StyleBankError: as `make` did in the first process; `SaidElsewhere` in the others.
        """
        if self.world_size == 1:
            return make()
        outcome: list[Any] = [None, None]  # what was made, why it could not be
        if self.is_main:
            try:
                outcome[0] = make()
            except StyleBankError as error:
                outcome[1] = error
        with _reaching_all():
            dist.broadcast_object_list(outcome, src=0)
        if outcome[1]:
            raise self.shared(outcome[1])
        made: T = outcome[0]
        return made

    def shared(self, error: StyleBankError) -> StyleBankError:
        """An error that every process meets: the first one is to say it."""
        return error if self.is_main else SaidElsewhere(str(error))

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that may fail in any process, and then ends all; nothing inside may speak with the others.

        Raises:
            StyleBankError: in the first process, that of the first process that failed; else `SaidElsewhere`.
        """
        failure: StyleBankError | None = None
        try:
            yield
        except StyleBankError as error:
            if self.world_size == 1:
                raise
            failure = error
        for rank, error_there in enumerate(self.gather(failure)):
            if error_there:
                text = f"Process {rank}: {error_there}" if rank else str(error_there)
                raise self.shared(type(error_there)(text)) from failure


ALONE = Processes()


@contextmanager
def join(device: str, patience: timedelta = timedelta(minutes=30)) -> Iterator[tuple[Processes, torch.device]]:
    """Joins the processes that torchrun started: yields them and the device of this one. Alone, nothing is joined.

    Args:
        device: as on the command line; `auto` and `cuda` give each process of a machine a GPU of its own.
        patience: how long one process waits for the others to come to the same point.

    Raises:
        ConfigError: the device is not there, or cannot be had by several processes.
        TrainingError: the other processes cannot be reached.
    """
    count = int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1
    restarted = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
    if count == 1:
        own = resolve_device(device)
        if own.type == "cuda":
            torch.cuda.set_device(own.index or 0)  # for what asks no tensor where it is: kernels that are compiled, say
        yield Processes(restarted=restarted), own
        return
    own = _own_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    _import_early()
    if own.type == "cuda":
        torch.cuda.set_device(own)
    try:
        rank = int(os.environ["RANK"])
        store, again = _meeting_point(rank)
        # gloo also beside NCCL: whatever is on the processor is spoken about without waiting for a GPU.
        dist.init_process_group("gloo", store=store, rank=rank, world_size=count, timeout=patience)
        gpus = dist.new_group(backend="nccl", timeout=GPU_PATIENCE) if own.type == "cuda" else None
        if gpus:  # NCCL connects when it is first asked to send, and what it lacks is to be met here
            dist.all_reduce(torch.zeros(1, device=own), group=gpus)
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(f"The {count} processes of this run cannot reach each other: {reason}") from error
    leave_at_once = own.type == "cuda"  # NCCL would wait for processes that may be gone
    try:
        yield Processes(rank, count, restarted or again, gpus), own
        leave_at_once = False
    finally:
        if not leave_at_once:
            dist.destroy_process_group()


def _import_early() -> None:
    """Imports what would keep the group of processes alive, and its threads running, if torch imported it later.

    Its functions have the group of the time of their import as a default value, and the first optimizer imports them.
    Threads of gloo that still run when Python ends can abort the process, with all work done.
    """
    importlib.import_module("torch.distributed.nn.functional")


def _meeting_point(rank: int) -> tuple[Any, bool]:
    """The store in which the processes find each other, a new one at every start; and whether this is a later start.

    torchrun keeps one store through its restarts, in which gloo would find the addresses of processes that are gone.
    So the first process opens another one and leaves its port there; where nobody answers, the port is an old one.
    (Only the first process knows of earlier starts. torchrun's own count of restarts differs between machines.)
    """
    tcp_store: Any = dist.TCPStore  # type: ignore[attr-defined]
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":  # not started by torchrun
        return tcp_store(host, port, is_master=rank == 0, wait_for_workers=False), False
    lasting, deadline = tcp_store(host, port), time.monotonic() + MEETING_SECONDS
    if rank == 0:
        store = tcp_store(host, 0, is_master=True, wait_for_workers=False)
        lasting.set(MEETING_KEY, str(store.port))
        return store, lasting.add(STARTS_KEY, 1) > 1
    while not _answers(host, port := int(lasting.get(MEETING_KEY))):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the first process did not come to {host} within {MEETING_SECONDS} s")
        time.sleep(0.1)
    return tcp_store(host, port), False


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True


def _own_device(name: str, local_rank: int) -> torch.device:
    """The device of the process with this number on its machine."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = resolve_device(name)
    if device.type == "mps" or device.index is not None:
        raise ConfigError(f"Several processes cannot share the device '{name}'; give --device cuda or cpu.")
    if device.type == "cpu":
        return device
    if local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"This machine has {torch.cuda.device_count()} GPU(s), too few for a process number {local_rank + 1}; "
            "start one process per GPU (--nproc-per-node), or use --device cpu."
        )
    return torch.device("cuda", local_rank)


def _unflatten(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for tensor, values in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(values.view(tensor.shape))


@contextmanager
def _between_roll_calls(flat: Tensor) -> Iterator[None]:
    """What is sent from GPU to GPU waits for the slowest, and is itself waited for only when somebody reads it.

    A lost process would be noticed there, minutes later and by NCCL, which ends Python without a word of ours. On the
    processors a connection breaks at once: all answer there before (so that NCCL never waits for one that decodes,
    saves or measures, and may be short of patience) and after (before anybody waits for the GPU).
    """
    _answer(flat)
    yield
    _answer(flat)


def _answer(flat: Tensor) -> None:
    if flat.device.type != "cpu":
        dist.all_reduce(torch.zeros(1, dtype=torch.int32))


@contextmanager
def _reaching_all() -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, torch.AcceleratorError):  # of this process's own GPU
        raise
    except RuntimeError as error:  # what torch raises when a connection breaks
        reason = " ".join(str(error).split())[:200]
        nccl = f" NCCL says: {reason} (NCCL_DEBUG=INFO has more)." if isinstance(error, dist.DistBackendError) else ""
        raise ProcessLost(
            "Another process of this run ended or cannot be reached; if it could still say why, it did."
            f"{nccl} The last checkpoint is whole: the same command with --resume goes on."
        ) from error
