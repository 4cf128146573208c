"""Errors meant for the person at the keyboard: one clear sentence each, caught only by the command line."""

from __future__ import annotations


class StyleBankError(Exception):
    """Base of every error a user can cause or mend; its text says what was wrong, where, and what is valid."""


class ConfigError(StyleBankError):
    """A configuration or an option is unknown, of the wrong type, or out of range."""


class ImageError(StyleBankError):
    """A picture, or a set of pictures, cannot be read or written."""


class BankError(StyleBankError):
    """A bank or style on disk is missing, damaged, foreign, or does not fit the auto-encoder."""


class WeightsError(StyleBankError):
    """The loss network's weights are missing or do not fit."""


class TrainingError(StyleBankError):
    """Training cannot start or cannot go on."""


class MissingExtraError(StyleBankError):
    """An optional dependency is not installed; the text names the extra to install."""
