"""A second evaluator of policies: naive, slow, and written from POLICY.md and AWS's documents alone.

It takes a request as `isthmus policy simulate --batch` does and gives the effect and the side that denied. Nothing is
compiled, indexed or remembered: every statement of every document is read again for every question.

Sources, all of docs.aws.amazon.com/IAM/latest/UserGuide/: reference_policies_evaluation-logic.html,
reference_policies_elements_principal.html, reference_policies_elements_notprincipal.html,
access_policies_boundaries.html, reference_policies_condition-keys.html
"""

import re

from second_conditions import Unreadable, Unresolved, arn_like, holds, like, listed

ALLOW, EXPLICIT_DENY, IMPLICIT_DENY = "allow", "explicitDeny", "implicitDeny"


class Caller:
    """Who asks, as the request's `principal` says it."""

    def __init__(self, principal):
        self.arn = self.role = self.account = self.service = None
        if principal is None:
            self.kind = "anonymous"
        elif "service" in principal:
            self.kind, self.service = "service", principal["service"]
        else:
            self.arn = principal["arn"]
            parts = self.arn.split(":", 5)
            self.account = principal.get("account") or parts[4]
            name = parts[5].split("/")[0]
            self.kind = {"assumed-role": "session"}.get(name, name)
            if self.kind == "session":
                self.role = f"arn:{parts[1]}:iam::{parts[4]}:role/{parts[5].split('/')[1]}"

    @property
    def has_own_side(self):
        return self.account is not None


def facts_of(request, caller):
    """Key in lower case → values: what the request's context says, and what follows from the rest of it."""
    facts = {}

    def add(key, values):
        if values:
            facts[key.lower()] = values

    principal = request["principal"] or {}
    types = {
        "user": "User", "session": "AssumedRole", "role": "AssumedRole", "root": "Account", "anonymous": "Anonymous"}
    if caller.kind in types:
        add("aws:PrincipalType", [types[caller.kind]])
    if caller.has_own_side:
        add("aws:PrincipalArn", [caller.role or caller.arn])
        add("aws:PrincipalAccount", [caller.account])
        add("aws:PrincipalIsAWSService", ["false"])
    if caller.kind == "service":
        add("aws:PrincipalIsAWSService", ["true"])
    if caller.kind == "user":
        add("aws:username", [caller.arn.rsplit("/", 1)[1]])
    add("aws:PrincipalOrgID", [principal["orgId"]] if principal.get("orgId") else [])
    add("aws:PrincipalOrgPaths", principal.get("orgPaths", []))
    for name, value in principal.get("tags", {}).items():
        add("aws:PrincipalTag/" + name, [value])
    resource = request["resource"]
    for name, value in resource.get("tags", {}).items():
        add("aws:ResourceTag/" + name, [value])
    add("aws:ResourceAccount", [resource["account"]] if resource.get("account") else [])
    for key, value in request["context"].items():
        add(key, listed(value))
    return facts


def conditions_hold(statement, facts):
    """Every operator and key must hold. What cannot be read makes a deny hold and an allow not."""
    readable, is_deny = True, statement["Effect"] == "Deny"
    for operator, keys in statement.get("Condition", {}).items():
        for key, wanted in keys.items():
            try:
                if not holds(operator, listed(wanted), facts.get(key.lower(), []), facts, is_deny):
                    return False
            except Unreadable:
                readable = False
    return readable or is_deny


# Statements

def names(element, caller):
    """How a principal element names the caller: None, `itself` by its own ARN, `role`, `account` or `everyone`."""
    if element == "*":
        return "everyone"
    found = None
    for kind, values in element.items():
        for value in listed(values):
            if kind == "Service" and caller.service == value:
                return "itself"
            if kind != "AWS":
                continue
            if value == "*":
                found = found or "everyone"
            elif caller.arn is None:
                continue
            elif value == caller.arn and caller.kind != "root":
                return "itself"
            elif value == caller.role:
                found = "role"
            elif value == caller.account or re.fullmatch(rf"arn:aws:iam::{caller.account}:root", value):
                found = found or "account"
    return found


def exempts(element, caller):
    """Whether `NotPrincipal` leaves the caller out.

    AWS has the account listed beside a user or role that is meant: there it does not exempt the account's others.
    """
    how = names(element, caller)
    if how != "account" or caller.kind == "root":
        return how is not None
    single = re.compile(rf"arn:aws:(iam|sts)::{caller.account}:(?!root$)")
    return not any(single.match(value) for value in listed(element["AWS"]))


def covers_action(patterns, action):
    return any(like(pattern.lower(), action.lower(), {}) for pattern in listed(patterns))


def covers_resource(patterns, resource, facts):
    for pattern in listed(patterns):
        try:
            if pattern == "*" or arn_like(pattern, resource, facts):
                return True
        except Unresolved:
            continue
    return False


def applies(statement, request, caller, facts):
    """None, or how the statement names the caller (`attached` where it names none).

    `NotPrincipal` with `Deny` exempts nobody who has a permissions boundary: AWS's page on boundaries says so.
    """
    how = "attached"
    if "Principal" in statement:
        how = names(statement["Principal"], caller)
    elif "NotPrincipal" in statement:
        is_exempt = exempts(statement["NotPrincipal"], caller) and not request.get("permissionBoundaries")
        how = None if is_exempt else "everyone"
    if how is None:
        return None
    if "Action" in statement and not covers_action(statement["Action"], request["action"]):
        return None
    if "NotAction" in statement and covers_action(statement["NotAction"], request["action"]):
        return None
    if "Resource" in statement and not covers_resource(statement["Resource"], request["resource"]["arn"], facts):
        return None
    if "NotResource" in statement and covers_resource(statement["NotResource"], request["resource"]["arn"], facts):
        return None
    return how if conditions_hold(statement, facts) else None


def verdict(documents, request, caller, facts):
    """Whether one of the documents denies, and the ways in which they name whom they allow."""
    ways, denies = set(), False
    for document in documents:
        for statement in listed(document["Statement"]):
            how = applies(statement, request, caller, facts)
            if how and statement["Effect"] == "Deny":
                denies = True
            elif how:
                ways.add(how)
    return denies, ways


def decide(request):
    """The effect, and for an explicit deny the side it is reported for: the first one of POLICY.md § 1's order."""
    caller = Caller(request["principal"])
    facts = facts_of(request, caller)

    def ask(documents):
        return verdict(documents, request, caller, facts)

    remote = [ask(level) for level in request.get("resourceControlPolicies", [])]
    # They bind users and roles of the organization's accounts, nobody else.
    control = [ask(level) for level in request.get("serviceControlPolicies", [])] if caller.has_own_side else []
    endpoint = ask(request.get("endpointPolicies", []))
    policy = request["resource"].get("policy")
    resource = ask([policy] if policy else [])
    own = [ask(request.get(name, [])) for name in ("identityPolicies", "permissionBoundaries", "sessionPolicies")]
    layers = [
        ("control policy", remote + control), ("endpoint", [endpoint]), ("bus policy", [resource]),
        ("sender identity", own)]
    for side, verdicts in layers:
        if any(denies for denies, _ in verdicts):
            return EXPLICIT_DENY, side
    # A request names all policies of a level, RCPFullAWSAccess and FullAWSAccess among them, and each level must allow.
    if not all(ways for _, ways in remote + control):
        return IMPLICIT_DENY, None
    if request.get("endpointPolicies") and not endpoint[1]:
        return IMPLICIT_DENY, None
    return (ALLOW if both_sides(request, caller, resource[1], own) else IMPLICIT_DENY), None


def both_sides(request, caller, admitted, own):
    """Within an account one side is enough, across accounts both must allow."""
    if not caller.has_own_side:
        return bool(admitted)
    identity, boundary, session = (bool(ways) for _, ways in own)
    # An account's root user needs no policy of its own.
    identity = identity or caller.kind == "root"
    bounded = (boundary or not request.get("permissionBoundaries")) and (session or not request.get("sessionPolicies"))
    if request["resource"].get("account") != caller.account:
        return bool(admitted) and identity and bounded
    # An allow that names a user or session by its own ARN is not limited by what boundary or session policy leave out.
    if "itself" in admitted and caller.kind in ("user", "session"):
        return True
    return (bool(admitted) or identity) and bounded
