"""Condition operators, wildcards and variables as AWS's documents have them, for the second evaluator.

Sources, all of docs.aws.amazon.com/IAM/latest/UserGuide/: reference_policies_elements_condition_operators.html,
reference_policies_condition-single-vs-multi-valued-context-keys.html, reference_policies_variables.html
"""

import base64
import datetime
import decimal
import functools
import ipaddress
import re

VARIABLE = re.compile(r"\$\{([^}]*)\}")


def listed(value):
    return value if isinstance(value, list) else [value]


class Unresolved(Exception):
    """A variable whose key is absent, or has several values, and has no default."""


def resolved(inside, facts):
    if inside in ("*", "?", "$"):
        return inside
    name, comma, default = inside.partition(",")
    values = facts.get(name.strip().lower(), [])
    if len(values) == 1:
        return values[0]
    if not comma:
        raise Unresolved(inside)
    return default.strip()[1:-1]


def pieces(text, facts):
    """The text as (is it a pattern?, text) pairs: what a variable gave is never a pattern."""
    found, at = [], 0
    for match in VARIABLE.finditer(text):
        found.append((True, text[at:match.start()]))
        found.append((False, resolved(match[1], facts)))
        at = match.end()
    return found + [(True, text[at:])]


def plain(text, facts):
    return "".join(piece for _, piece in pieces(text, facts)) if "${" in text else text


@functools.lru_cache(maxsize=100_000)
def expression(parts):
    written = ""
    for is_pattern, text in parts:
        if is_pattern:
            written += "".join({"*": ".*", "?": "."}.get(character) or re.escape(character) for character in text)
        else:
            written += re.escape(text)
    return re.compile(written, re.DOTALL)


def like(pattern, text, facts):
    return expression(tuple(pieces(pattern, facts))).fullmatch(text) is not None


def arn_like(pattern, text, facts):
    """Six parts, each for itself; colons inside a variable are none of the pattern's."""
    whole = VARIABLE.sub(lambda match: match[0].replace(":", "\0"), pattern)
    wanted = [part.replace("\0", ":") for part in whole.split(":", 5)]
    given = text.split(":", 5)
    if len(given) != 6 or len(wanted) != 6 or given[0] != "arn":
        return False
    return all(like(one, other, facts) for one, other in zip(wanted, given))


# Condition operators: each compares one value of the policy with one of the request, and gives None for a value of the
# request that is none of its kind.

def number(text):
    try:
        value = decimal.Decimal(text)
    except decimal.InvalidOperation:
        return None
    return value if value.is_finite() else None


def date(text):
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return decimal.Decimal(text)
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return decimal.Decimal(since.days * 86400 + since.seconds) + decimal.Decimal(since.microseconds) / 1_000_000


def truth(text):
    return {"true": True, "false": False}.get(text.lower())


def binary(text):
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def address(text):
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def within(policy, given):
    network = ipaddress.ip_network(policy, strict=False)
    return network.version == given.version and given in network


def typed(read, compare):
    def matches(policy, given, facts):
        value = read(given)
        return None if value is None else compare(policy, value)
    return matches


def compared(read, compare):
    return typed(read, lambda policy, value: compare(value, read(policy)))


def ordered(read):
    return {
        "Equals": compared(read, lambda given, wanted: given == wanted),
        "LessThan": compared(read, lambda given, wanted: given < wanted),
        "LessThanEquals": compared(read, lambda given, wanted: given <= wanted),
        "GreaterThan": compared(read, lambda given, wanted: given > wanted),
        "GreaterThanEquals": compared(read, lambda given, wanted: given >= wanted),
    }


def arn_matches(policy, given, facts):
    if len(given.split(":", 5)) != 6 or not given.startswith("arn:"):
        return None
    return arn_like(policy, given, facts)


POSITIVE = {
    "StringEquals": lambda policy, given, facts: plain(policy, facts) == given,
    "StringEqualsIgnoreCase": lambda policy, given, facts: plain(policy, facts).lower() == given.lower(),
    "StringLike": like,
    **{"Numeric" + name: operator for name, operator in ordered(number).items()},
    **{"Date" + name: operator for name, operator in ordered(date).items()},
    "Bool": compared(truth, lambda given, wanted: given == wanted),
    "BinaryEquals": compared(binary, lambda given, wanted: given == wanted),
    "IpAddress": typed(address, within),
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
}
NEGATED = {
    "StringNotEquals": "StringEquals", "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike", "NumericNotEquals": "NumericEquals", "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress", "ArnNotEquals": "ArnEquals", "ArnNotLike": "ArnLike",
}


class Unreadable(Exception):
    """The condition has no answer: a value of the request is not of the operator's kind."""


def holds(operator, wanted, given, facts, is_deny):
    """One operator with one key."""
    qualifier, _, name = operator.rpartition(":")
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    if name == "Null":
        return any(truth(value) == (not given) for value in wanted)
    is_negated = name in NEGATED
    if not given:
        if if_exists:
            return True
        return {"ForAllValues": True, "ForAnyValue": False, "": is_negated}[qualifier]
    compare = POSITIVE[NEGATED.get(name, name)]

    def matches(value):
        found = False
        for policy in wanted:
            try:
                answer = compare(policy, value, facts)
            except Unresolved:
                # "Effectively null": nothing is equal to it or like it, so that the negated operators hold.
                continue
            if answer is None:
                return None
            found = found or answer
        return found

    answers = [matches(value) for value in given]
    holding = [None if answer is None else answer != is_negated for answer in answers]
    if qualifier == "ForAllValues" and False in holding:
        return False
    if qualifier == "ForAnyValue" and True in holding:
        return True
    if None in answers:
        raise Unreadable(operator)
    if qualifier:
        return qualifier == "ForAllValues"
    if len(given) == 1:
        return holding[0]
    # Several values without a set operator can be read as "one of them matches" and as "that is no match" (so
    # EventBridge reads `events:source` of a pattern with two sources): an allow holds when both readings do, a deny
    # when one does.
    readings = (any(answers) != is_negated, is_negated)
    return any(readings) if is_deny else all(readings)
