"""Domains: one source of behaviour each, with its item noun and rating scale; the built-in ones."""

from deeper.domains.builtin import BUILTIN, find_domain
from deeper.domains.domain import Domain, Scale, load_domain

__all__ = ["BUILTIN", "Domain", "Scale", "find_domain", "load_domain"]
