"""Where a result comes from."""

import sys
from types import SimpleNamespace

import pytest

from deeper.storage.provenance import provenance


@pytest.mark.parametrize("there", [True, False])
def test_a_gpu_is_named_where_torch_has_one(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    cuda = SimpleNamespace(is_available=lambda: there, get_device_name=lambda: "a GPU")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert provenance()["machine"].get("accelerator") == ("a GPU" if there else None)


def test_nobody_waits_for_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert "accelerator" not in provenance()["machine"]
    assert "torch" not in sys.modules
