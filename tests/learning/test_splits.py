from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from deeper.behaviour.splits import part, some_of_each_domain, user_hash


def test_a_fifth_is_for_validation_and_the_rest_is_halved() -> None:
    counts = Counter(part("stones", f"user-{number}") for number in range(5000))
    assert abs(counts["validation"] - 1000) < 100
    assert abs(counts["a"] - 2000) < 120
    assert abs(counts["b"] - 2000) < 120


def test_the_split_and_the_names_stay_as_they_are() -> None:
    users = [f"user-{number}" for number in range(8)]
    assert [part("stones", user) for user in users] == ["a", "b", "a", "b", "b", "validation", "b", "b"]
    assert user_hash("stones", "user-0") == "711b232fdc115458"


def test_the_domain_counts_and_the_name_tells_nothing_of_the_part() -> None:
    users = [f"user-{number}" for number in range(100)]
    assert [part("stones", user) for user in users] != [part("shells", user) for user in users]
    assert user_hash("stones", "ann") != user_hash("shells", "ann")
    low = [part("stones", user) for user in users if user_hash("stones", user) < "3"]
    assert set(low) == {"a", "b", "validation"}


def test_a_smaller_choice_is_a_part_of_a_larger_one() -> None:
    users = [(domain, f"user-{number}") for domain in ("stones", "shells") for number in range(30)]
    few, many = some_of_each_domain(users, 4), some_of_each_domain(reversed(users), 9)
    assert set(few) < set(many)
    assert many == sorted(many)
    assert Counter(domain for domain, _ in many) == {"stones": 9, "shells": 9}
    assert some_of_each_domain(users, 4) != users[:4] + users[30:34]
    assert some_of_each_domain(users, 100) == sorted(users)


@given(st.text(), st.text())
def test_a_name_is_sixteen_hex_digits(domain: str, user: str) -> None:
    name = user_hash(domain, user)
    assert len(name) == 16
    assert set(name) <= set("0123456789abcdef")
