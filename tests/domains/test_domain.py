import numpy as np
import pytest
from domain_contract import DomainContract, one_of

from deeper.domains import BUILTIN, Domain, Scale, load_domain
from deeper.domains.domain import parse_domain
from deeper.errors import UserError

GOOD = {"id": "teas_2", "name": "Thé & more", "item_noun": "tea", "scale": [1, 5, 0.5]}


class TestBuiltIn(DomainContract):
    domain = one_of(*BUILTIN.values())


class TestOwn(DomainContract):
    domain = one_of(
        Domain("thumbs", "Thumbs", "tune", Scale(0, 1, 1)),
        Domain("percent", "Percent", "jar", Scale(1, 100, 1), unrated=(0.0,)),
        Domain("tenths", "Tenths", "cove", Scale(-1, 1, 0.1)),
    )


def test_a_good_domain_is_read():
    domain = parse_domain({**GOOD, "unrated": [0], "seen": True, "aliases": ["Teas"]}, "x.toml")
    assert domain == Domain("teas_2", "Thé & more", "tea", Scale(1, 5, 0.5), (0.0,), ("Teas",), True)
    assert parse_domain(GOOD, "x.toml").seen is None


@pytest.mark.parametrize(
    "change, what, where",
    [
        ({"id": ""}, "not a plain word", "id"),
        ({"id": "Teas"}, "not a plain word", "id"),
        ({"id": "../teas"}, "not a plain word", "id"),
        ({"id": "teas\n"}, "not a plain word", "id"),
        ({"id": 3}, "not a plain word", "id"),
        ({"id": "mean"}, "begins with 'mean'", "id"),
        ({"id": "mean_seen"}, "begins with 'mean'", "id"),
        ({"name": " "}, "name ' ' is not one line", "name"),
        ({"name": "two\nlines"}, "is not one line", "name"),
        ({"item_noun": ""}, "item_noun '' is not one line", "item_noun"),
        ({"item_noun": "tea\x1b[2J"}, "is not one line", "item_noun"),
        ({"item_noun": 5}, "is not one line", "item_noun"),
        ({"seen": "yes"}, "seen is 'yes'", "seen"),
        ({"seen": 1}, "seen is 1", "seen"),
        ({"scale": [100000, 100001, 0.5]}, "six digits", "scale"),
        ({"scale": [0, 1e-6, 1e-7]}, "six digits", "scale"),
        ({"scale": [0, 2e6, 1e6]}, "six digits", "scale"),
        ({"scale": [0, 1, 0.3]}, "whole number of steps", "scale"),
        ({"scale": "151"}, "not a list of numbers", "scale"),
        ({"scale": [1, True, 1]}, "not a list of numbers", "scale"),
        ({"unrated": [float("nan")]}, "not a list of numbers", "unrated"),
    ],
)
def test_what_a_command_a_table_or_a_prompt_cannot_hold_is_refused(change, what, where):
    with pytest.raises(UserError, match=what) as caught:
        parse_domain({**GOOD, **change}, "x.toml")
    assert caught.value.where == f"x.toml, {where}"
    assert caught.value.do


def test_the_files_path_is_named(tmp_path):
    (tmp_path / "domain.toml").write_text('id = "mean"\nname = "A"\nitem_noun = "b"\nscale = [1, 5, 1]', "utf-8")
    with pytest.raises(UserError, match=r"domain\.toml, id: .*begins with 'mean'"):
        load_domain(tmp_path / "domain.toml")


@pytest.mark.parametrize("mark", [99.9, -0.1, 0.0])
def test_a_mark_of_no_rating_is_known_in_float32(mark):
    domain = Domain("teas", "Teas", "tea", Scale(1, 5, 1), unrated=(mark,))
    stored = np.array([mark, 4, 99.8], np.float32)
    assert domain.is_rated(stored.astype(np.float64)).tolist() == [False, True, True]
    assert domain.is_rated(np.array([mark, 1e300])).tolist() == [False, True]
    assert domain.accepts(mark) and domain.accepts(float(stored[0]))
    assert not domain.accepts(mark + 0.01)


def test_ratings_are_accepted_as_float32_holds_them():
    domain = Domain("teas", "Teas", "tea", Scale(9990, 9999.9, 0.1))
    assert all(domain.accepts(float(value)) for value in domain.scale.values.astype(np.float32))
    assert not domain.accepts(9990.05)
    assert not domain.accepts(float("nan")) and not domain.accepts(1e300)


def test_the_built_in_domains_are_good_by_the_same_rules():
    assert all(domain_id == domain.id for domain_id, domain in BUILTIN.items())
    assert not any(label.startswith("1e") for domain in BUILTIN.values() for label in domain.scale.labels)
