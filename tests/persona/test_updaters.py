"""Every updater keeps the contract. Add a class here for a new updater."""

from updater_contract import UpdaterContract

from deeper.persona.updaters import SHORT_TERM, UPDATERS


class TestRefine(UpdaterContract):
    name = "refine"
    windows = staticmethod(lambda t: [t])
    sees_persona = sees_prediction = True


class TestIncrementalUpdate(UpdaterContract):
    name = "incremental_update"
    windows = staticmethod(lambda t: [t])
    sees_persona = True


class TestHierarchicalMerge(UpdaterContract):
    name = "hierarchical_merge"
    windows = staticmethod(lambda t: [])
    sees_persona = sees_short_term = True


class TestFullRegeneration(UpdaterContract):
    name = "full_regeneration"
    windows = staticmethod(lambda t: list(range(t + 1)))


class TestSlideRegeneration(UpdaterContract):
    name = "slide_regeneration"
    windows = staticmethod(lambda t: [t])


def test_every_updater_keeps_the_contract() -> None:
    contracts = {contract.name: contract for contract in UpdaterContract.__subclasses__()}
    assert contracts.keys() == UPDATERS.keys()
    assert {name for name, contract in contracts.items() if contract.sees_short_term} == SHORT_TERM
