"""Hypothesis strategies for policies and questions, of so few words that what is asked and what is written often meet.

One draw of `universes()` is several requests as `isthmus policy simulate --batch` takes them.
"""

import base64
import itertools

from hypothesis import strategies as st

OWNER, PEER, OTHER = "444455556666", "111122223333", "777788889999"
ORGANIZATION = "o-exampleorgid"

CALLERS = [
    None,
    {"service": "events.amazonaws.com"},
    {"service": "scheduler.amazonaws.com"},
    {"arn": f"arn:aws:iam::{OWNER}:user/ann"},
    {"arn": f"arn:aws:iam::{OWNER}:user/team/Bo*"},
    {"arn": f"arn:aws:iam::{OWNER}:role/publisher"},
    {"arn": f"arn:aws:sts::{OWNER}:assumed-role/publisher/one"},
    {"arn": f"arn:aws:iam::{PEER}:user/ann"},
    {"arn": f"arn:aws:iam::{PEER}:role/publisher"},
    {"arn": f"arn:aws:sts::{PEER}:assumed-role/publisher/one"},
    {"arn": f"arn:aws:sts::{PEER}:assumed-role/publisher/two", "account": PEER},
    {"arn": f"arn:aws:iam::{OTHER}:role/publisher"},
    {"arn": f"arn:aws:iam::{OWNER}:root"},
]
OWN_SIDE = ("identityPolicies", "permissionBoundaries", "sessionPolicies")
ACTIONS = ["events:PutEvents", "events:PutRule", "events:DescribeEventBus", "iam:PassRole", "sts:AssumeRole"]
ACTION_PATTERNS = [
    "*", "events:*", "events:PutEvents", "events:putevents", "EVENTS:Put*", "events:P?tRule", "*:PutEvents",
    "events:Describe*", "iam:PassRole", "sts:*", "events:*Event*s",
]
RESOURCES = [
    f"arn:aws:events:eu-central-1:{OWNER}:event-bus/orders",
    f"arn:aws:events:eu-central-1:{OWNER}:event-bus/billing",
    f"arn:aws:events:eu-west-1:{OWNER}:event-bus/orders",
    f"arn:aws:events:eu-central-1:{OWNER}:rule/orders/red:{OWNER}:event-bus/orders",
    f"arn:aws:iam::{OWNER}:role/a*b",
]
RESOURCE_PATTERNS = [
    "*", f"arn:aws:events:eu-central-1:{OWNER}:event-bus/orders", f"arn:aws:events:*:{OWNER}:event-bus/*",
    f"arn:aws:events:eu-*-1:{OWNER}:*", f"arn:aws:events:eu-central-1:{OWNER}:event-bus/?rders",
    f"arn:aws:events:*:{PEER}:*", f"arn:aws:events:*:{OWNER}:event-bus/${{aws:PrincipalTag/team}}",
    f"arn:aws:events:*:{OWNER}:event-bus/${{aws:username, 'orders'}}", f"arn:aws:iam::{OWNER}:role/a${{*}}b",
    f"arn:aws:iam::{OWNER}:role/*", f"arn:aws:events:eu-central-1:{OWNER}:rule/*:event-bus/orders",
]
PRINCIPALS = [
    "*", {"AWS": "*"}, {"AWS": OWNER}, {"AWS": PEER}, {"AWS": f"arn:aws:iam::{PEER}:root"},
    {"AWS": f"arn:aws:iam::{PEER}:role/publisher"}, {"AWS": f"arn:aws:iam::{OWNER}:role/publisher"},
    {"AWS": f"arn:aws:iam::{OWNER}:user/ann"}, {"AWS": f"arn:aws:sts::{OWNER}:assumed-role/publisher/one"},
    {"AWS": f"arn:aws:sts::{PEER}:assumed-role/publisher/one"}, {"Service": "events.amazonaws.com"},
    {"Service": ["scheduler.amazonaws.com", "events.amazonaws.com"]},
    {"AWS": [f"arn:aws:iam::{PEER}:user/ann", OTHER], "Service": "scheduler.amazonaws.com"},
    {"AWS": [OWNER, f"arn:aws:iam::{OWNER}:role/publisher"]},
    {"AWS": [PEER, f"arn:aws:sts::{PEER}:assumed-role/publisher/one", f"arn:aws:iam::{PEER}:role/publisher"]},
]
VARIABLES = [
    "${aws:PrincipalTag/team}", "${AWS:principaltag/TEAM}", "${aws:username}", "${aws:PrincipalTag/none, 'red'}",
    "${aws:ResourceTag/env,'blue'}", "${aws:PrincipalAccount}", "${events:source}",
]

# Values of the policies and of the requests, by the kind of the key.
TEXTS = [
    "red", "Red", "blue", "com.acme.orders", "com.acme.billing", "a*b", "a?b", "", "red:blue", "${aws:username}",
    OWNER, PEER,
]
TEXT_PATTERNS = [
    "red", "r*", "*", "?ed", "com.acme.*", "*.orders", "*acme*s", "a${*}b", "a*b", "a${?}b", "${$}{aws:username}",
    "*****d", "[rR]ed",
]
NUMBERS = ["0", "1", "2", "2.0", "-3", "10", "1.5", "4503599627370496"]
DATES = [
    "2026-11-21T06:00:00Z", "2026-11-21T07:00:00+01:00", "2026-11-20T23:59:59Z", "2026-11-21T06:00:00.500Z",
    "1795240800", "2026-11-21", "0", "2028-02-29T00:00:00Z",
]
ADDRESSES = ["10.0.0.1", "10.0.1.1", "192.0.2.255", "2001:db8::1", "2001:db8:1::1", "127.0.0.1", "::1"]
NETWORKS = [
    "10.0.0.0/24", "10.0.0.1", "0.0.0.0/0", "2001:db8::/47", "2001:0DB8::/33", "::/0", "192.0.2.128/25",
    "10.0.0.1/32", "::1/128",
]
ARNS = [*RESOURCES[:3], f"arn:aws:iam::{PEER}:role/publisher", f"arn:aws:sns:eu-central-1:{PEER}:a:b:c"]
ARN_PATTERNS = [
    *ARNS, f"arn:aws:*:*:{PEER}:*", f"arn:aws:events:*:{OWNER}:event-bus/*", "arn:*:*:*:*:*",
    f"arn:aws:sns:*:{PEER}:a:*:c", "arn:aws:*:*:*:c",
    f"arn:aws:events:*:{OWNER}:event-bus/${{aws:PrincipalTag/team}}",
    f"arn:aws:iam::${{aws:PrincipalAccount}}:role/*",
]
BYTES = [base64.b64encode(value).decode() for value in (b"", b"a", b"ab", b"abc", b"\xff\xfe\xfd\xfc")]
BOOLEANS = ["true", "false"]

TEXT_KEYS = [
    "events:source", "events:detail-type", "aws:PrincipalTag/team", "aws:principaltag/TEAM", "aws:ResourceTag/env",
    "aws:RequestTag/team", "aws:PrincipalOrgID", "aws:PrincipalAccount", "aws:SourceAccount", "aws:username",
    "aws:SourceVpce", "aws:SourceVpc", "aws:UserAgent", "aws:RequestedRegion", "aws:ResourceAccount",
    "isthmus:TrustDomain", "EVENTS:Source", "aws:PrincipalOrgPaths", "aws:TagKeys", "events:detail.service",
]
KINDS = {
    "text": (TEXT_KEYS, ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"],
        TEXTS[:9]),
    "pattern": (TEXT_KEYS, ["StringLike", "StringNotLike"], TEXT_PATTERNS),
    "variable": (
        TEXT_KEYS, ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringLike", "StringNotLike"],
        [*VARIABLES, "${aws:PrincipalTag/team}*"]),
    "number": (["isthmus:Hops", "aws:EpochTime"], [
        "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan",
        "NumericGreaterThanEquals"], NUMBERS),
    "date": (["aws:CurrentTime", "aws:TokenIssueTime"], [
        "DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan",
        "DateGreaterThanEquals"], DATES),
    "boolean": (["aws:SecureTransport", "aws:MultiFactorAuthPresent", "isthmus:SchemaValidated",
        "aws:PrincipalIsAWSService"], ["Bool"], BOOLEANS),
    "binary": (["isthmus:CertificateFingerprint"], ["BinaryEquals"], BYTES),
    "address": (["aws:SourceIp", "aws:VpcSourceIp"], ["IpAddress", "NotIpAddress"], NETWORKS),
    "arn": (["aws:SourceArn", "aws:PrincipalArn", "events:TargetArn"], ["ArnEquals", "ArnNotEquals", "ArnLike",
        "ArnNotLike"], ARN_PATTERNS),
}
# What a request may say of each key: values of its kind, and now and then one that is none.
CONTEXT = {
    **{key: TEXTS for key in (
        "events:source", "events:detail-type", "aws:RequestTag/team", "aws:SourceAccount", "aws:SourceVpce",
        "aws:SourceVpc", "aws:UserAgent", "aws:RequestedRegion", "isthmus:TrustDomain", "aws:TagKeys",
        "events:detail.service")},
    "isthmus:Hops": [*NUMBERS, "many"], "aws:EpochTime": NUMBERS, "aws:CurrentTime": [*DATES, "today"],
    "aws:TokenIssueTime": DATES, "aws:SecureTransport": BOOLEANS, "aws:MultiFactorAuthPresent": BOOLEANS,
    "isthmus:SchemaValidated": [*BOOLEANS, "maybe"],
    "isthmus:CertificateFingerprint": BYTES, "aws:SourceIp": [*ADDRESSES, "nowhere"], "aws:VpcSourceIp": ADDRESSES,
    "aws:SourceArn": [*ARNS, "none"], "events:TargetArn": ARNS,
}


def several(values, most=3):
    """One value, or a list of some."""
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=most))


# Each key with the operators that may ask for it, and the values that those may want.
OPERATORS = {}
for _keys, _operators, _values in KINDS.values():
    for _key in _keys:
        OPERATORS.setdefault(_key, [("Null", BOOLEANS)]).extend((operator, _values) for operator in _operators)


@st.composite
def conditions(draw, keys):
    block = {}
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        key = draw(st.sampled_from(keys))
        operator, values = draw(st.sampled_from(OPERATORS[key]))
        wanted = draw(several(values))
        if operator != "Null":
            operator = draw(st.sampled_from(["", "", "", "ForAllValues:", "ForAnyValue:"])) + operator
            operator += draw(st.sampled_from(["", "", "IfExists"]))
        if key.lower() not in [other.lower() for other in block.get(operator, {})]:
            block.setdefault(operator, {})[key] = wanted
    return block


def mostly(usual, values):
    """`usual` in two of three draws."""
    return st.one_of(st.just(usual), st.just(usual), several(values))


@st.composite
def statements(draw, kind, keys):
    effect = draw(st.sampled_from(["Allow", "Allow", "Deny"]))
    statement = {"Effect": effect}
    if kind in ("resource", "endpoint", "remote"):
        is_negated = effect == "Deny" and draw(st.integers(0, 4)) == 0
        statement["NotPrincipal" if is_negated else "Principal"] = draw(mostly_principals(is_negated))
    for name, patterns in (("Action", ACTION_PATTERNS), ("Resource", RESOURCE_PATTERNS)):
        if draw(st.integers(0, 5)):
            statement[name] = draw(mostly("*", patterns))
        else:
            statement["Not" + name] = draw(several(patterns[1:]))
    block = draw(conditions(keys)) if keys else None
    if block:
        statement["Condition"] = block
    return statement


def mostly_principals(is_negated):
    return st.sampled_from(PRINCIPALS[2:]) if is_negated else st.one_of(st.just("*"), st.sampled_from(PRINCIPALS))


# So that layers let something pass, about half of them say no more than that.
OPEN = {
    "identity": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    "endpoint": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}


def version(*body):
    return {"Version": "2012-10-17", "Statement": list(body)}


def documents(kind, keys, open_kind=None):
    written = st.lists(statements(kind, keys), min_size=1, max_size=3)
    if open_kind:
        written = st.one_of(written, written.map(lambda more: OPEN[open_kind] + more[:1]))
    return written.map(lambda body: version(*body))


def layers(keys):
    """Strategies for the layers of a request, by the member's name; most of them are empty most of the time."""
    identity, endpoint = documents("identity", keys, "identity"), documents("endpoint", keys, "endpoint")
    level = st.lists(identity, min_size=1, max_size=2)
    none = st.just([])
    return {
        "identityPolicies": st.lists(identity, max_size=2),
        "permissionBoundaries": st.one_of(none, none, st.lists(identity, max_size=1)),
        "sessionPolicies": st.one_of(none, none, st.lists(identity, max_size=2)),
        "serviceControlPolicies": st.one_of(none, none, st.lists(level, max_size=2)),
        "resourceControlPolicies": st.one_of(
            none, none, st.lists(endpoint.map(lambda document: [document]), max_size=2)),
        "endpointPolicies": st.one_of(none, none, st.lists(endpoint, max_size=1)),
    }


@st.composite
def contexts(draw, keys):
    """Values of the keys that the policies ask for, and of one that variables do; now and then none."""
    asked = {}
    for key in [*keys, "events:source"]:
        if key in CONTEXT and draw(st.integers(0, 7)):
            asked[key] = draw(st.one_of(st.sampled_from(CONTEXT[key]), st.sampled_from(CONTEXT[key]), st.lists(
                st.sampled_from(CONTEXT[key]), max_size=3)))
    return asked


@st.composite
def facts_in_play(draw):
    """The condition keys that policies and requests share, and what principal and bus say of themselves."""
    keys = draw(st.lists(st.sampled_from(sorted(OPERATORS)), min_size=2, max_size=3, unique=True))
    membership = draw(st.sampled_from([
        {}, {"orgId": ORGANIZATION, "orgPaths": [f"{ORGANIZATION}/r-ab12/ou-ab12-11111111/"]},
        {"orgId": "red", "orgPaths": ["red", "blue"]}]))
    tags = draw(st.sampled_from(
        [{}, {"team": "orders"}, {"Team": "red"}, {"team": "a*b"}, {"team": "*"}, {"team": "red:blue"}]))
    resource_tags = draw(st.sampled_from([{}, {"env": "red"}, {"Env": "blue"}]))
    return keys, membership, tags, resource_tags


def question(principal, action, context, resource, policy, attached, facts):
    """A request. What belongs to a user or role is not there for a service or nobody."""
    _, membership, tags, resource_tags = facts
    has_own_side = principal is not None and "service" not in principal
    if principal is not None:
        principal = {**principal, **membership, "tags": tags} if has_own_side else {**principal, **membership}
    request = {
        "id": 1, "principal": principal, "action": action, "context": context,
        "resource": {"arn": resource, "account": OWNER, "tags": resource_tags, "policy": policy}}
    request.update({name: layer for name, layer in attached.items() if has_own_side or name not in OWN_SIDE})
    return request


@st.composite
def layered(draw):
    """Policies in many layers: each caller with each context and each act that were drawn."""
    facts = draw(facts_in_play())
    attached = {name: draw(layer) for name, layer in layers(facts[0]).items()}
    bus_policy = documents("resource", facts[0])
    policy = draw(st.one_of(bus_policy, bus_policy, bus_policy, st.none()))
    acts = draw(st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(RESOURCES)), min_size=3, max_size=3))
    asked = draw(st.lists(contexts(facts[0]), min_size=3, max_size=3))
    return [
        question(principal, action, context, resource, policy, attached, facts)
        for principal, context, (action, resource) in itertools.product(CALLERS, asked, acts)]


@st.composite
def single(draw):
    """One statement with conditions at a time, which alone decides: each with each context and two callers."""
    facts = draw(facts_in_play())
    blocks = draw(st.lists(conditions(facts[0]).filter(bool), min_size=8, max_size=8))
    asked = draw(st.lists(contexts(facts[0]), min_size=8, max_size=8))
    callers = draw(st.lists(st.sampled_from(range(len(CALLERS))), min_size=2, max_size=2, unique=True))
    everything = {"Principal": "*", "Action": "*", "Resource": "*"}
    own = {"identityPolicies": [version(*OPEN["identity"])]}
    questions = []
    for block, context, index in itertools.product(blocks, asked, callers):
        for body in ([{"Effect": "Allow"}], [{"Effect": "Allow"}, {"Effect": "Deny"}]):
            statements_asked = [{**everything, **effect} for effect in body]
            statements_asked[-1]["Condition"] = block
            policy = version(*statements_asked)
            # A stranger's own side allows, and the owner's principals have none: the bus's policy decides for both.
            is_owner = f"::{OWNER}:" in (CALLERS[index] or {}).get("arn", "")
            attached = {"identityPolicies": []} if is_owner else own
            questions.append(question(CALLERS[index], ACTIONS[0], context, RESOURCES[0], policy, attached, facts))
    return questions


@st.composite
def sided(draw):
    """Who may, and nothing else: every way to name principals and to leave them out, for every caller."""
    facts = draw(facts_in_play())
    everything, rule = {"Action": "*", "Resource": "*"}, {"Action": "events:PutRule", "Resource": "*"}
    own = [
        [], [version({**everything, "Effect": "Allow"})], [version({**rule, "Effect": "Allow"})],
        [version({**everything, "Effect": "Allow"}, {"Effect": "Deny", "Action": "events:Put*", "Resource": "*"})]]
    attached = {name: draw(st.sampled_from(own)) for name in OWN_SIDE}
    attached["serviceControlPolicies"] = draw(st.sampled_from([[], [], [own[1]], [own[1], own[2]], [own[3]]]))
    endpoint = draw(st.sampled_from([None, None, everything, rule]))
    attached["endpointPolicies"] = [version({**endpoint, "Effect": "Allow", "Principal": "*"})] if endpoint else []
    policies = [version({**everything, "Effect": "Allow", "Principal": principal}) for principal in PRINCIPALS]
    policies += [
        version(
            {**everything, "Effect": "Allow", "Principal": "*"},
            {**everything, "Effect": "Deny", "NotPrincipal": principal}) for principal in PRINCIPALS[2:]]
    return [
        question(caller, ACTIONS[0], {}, RESOURCES[0], policy, attached, facts)
        for policy, caller in itertools.product(policies, CALLERS)]


class Questions:
    """Some hundred requests, which the report of one of them need not print."""

    def __init__(self, requests):
        self.requests = requests

    def __repr__(self):
        return f"{len(self.requests)} requests"


@st.composite
def universes(draw):
    return Questions(draw(st.one_of(layered(), single(), single(), sided())))
