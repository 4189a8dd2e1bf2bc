/// A condition key that has its own place in every request: a small number, so that deciding looks it up in an array.
///
/// Source: POLICY 2; docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html;
/// docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
package enum ContextKey: UInt8, CaseIterable, Sendable {
    case principalArn, principalAccount, principalOrgID, principalOrgPaths, principalType, principalIsAWSService
    case principalServiceName, userid, username, multiFactorAuthPresent, tokenIssueTime, sourceIdentity
    case resourceAccount, resourceOrgID, resourceOrgPaths
    case sourceIp, vpcSourceIp, sourceVpc, sourceVpce, secureTransport, userAgent
    case currentTime, epochTime, requestedRegion, tagKeys
    case sourceAccount, sourceArn, sourceOrgID, sourceOrgPaths
    case eventsSource, eventsDetailType, eventsEventTypeCode, eventsService, eventsPrincipalID
    case eventsCreatorAccount, eventsEventBusInvocation, eventsTargetArn, eventsEventBusArn, eventsManagedBy
    case isthmusTrustDomain, isthmusCertificateFingerprint, isthmusSignatureScheme, isthmusSchemaValidated, isthmusHops
    case stsExternalID, stsRoleSessionName, stsSourceIdentity, stsTransitiveTagKeys, iamPassedToService

    /// As AWS writes it; compared without case.
    package var name: String {
        switch self {
        case .principalArn: "aws:PrincipalArn"
        case .principalAccount: "aws:PrincipalAccount"
        case .principalOrgID: "aws:PrincipalOrgID"
        case .principalOrgPaths: "aws:PrincipalOrgPaths"
        case .principalType: "aws:PrincipalType"
        case .principalIsAWSService: "aws:PrincipalIsAWSService"
        case .principalServiceName: "aws:PrincipalServiceName"
        case .userid: "aws:userid"
        case .username: "aws:username"
        case .multiFactorAuthPresent: "aws:MultiFactorAuthPresent"
        case .tokenIssueTime: "aws:TokenIssueTime"
        case .sourceIdentity: "aws:SourceIdentity"
        case .resourceAccount: "aws:ResourceAccount"
        case .resourceOrgID: "aws:ResourceOrgID"
        case .resourceOrgPaths: "aws:ResourceOrgPaths"
        case .sourceIp: "aws:SourceIp"
        case .vpcSourceIp: "aws:VpcSourceIp"
        case .sourceVpc: "aws:SourceVpc"
        case .sourceVpce: "aws:SourceVpce"
        case .secureTransport: "aws:SecureTransport"
        case .userAgent: "aws:UserAgent"
        case .currentTime: "aws:CurrentTime"
        case .epochTime: "aws:EpochTime"
        case .requestedRegion: "aws:RequestedRegion"
        case .tagKeys: "aws:TagKeys"
        case .sourceAccount: "aws:SourceAccount"
        case .sourceArn: "aws:SourceArn"
        case .sourceOrgID: "aws:SourceOrgID"
        case .sourceOrgPaths: "aws:SourceOrgPaths"
        case .eventsSource: "events:source"
        case .eventsDetailType: "events:detail-type"
        case .eventsEventTypeCode: "events:detail.eventTypeCode"
        case .eventsService: "events:detail.service"
        case .eventsPrincipalID: "events:detail.userIdentity.principalId"
        case .eventsCreatorAccount: "events:creatorAccount"
        case .eventsEventBusInvocation: "events:eventBusInvocation"
        case .eventsTargetArn: "events:TargetArn"
        case .eventsEventBusArn: "events:EventBusArn"
        case .eventsManagedBy: "events:ManagedBy"
        case .isthmusTrustDomain: "isthmus:TrustDomain"
        case .isthmusCertificateFingerprint: "isthmus:CertificateFingerprint"
        case .isthmusSignatureScheme: "isthmus:SignatureScheme"
        case .isthmusSchemaValidated: "isthmus:SchemaValidated"
        case .isthmusHops: "isthmus:Hops"
        case .stsExternalID: "sts:ExternalId"
        case .stsRoleSessionName: "sts:RoleSessionName"
        case .stsSourceIdentity: "sts:SourceIdentity"
        case .stsTransitiveTagKeys: "sts:TransitiveTagKeys"
        case .iamPassedToService: "iam:PassedToService"
        }
    }

    /// Whether a request may carry several values, so that a policy needs `ForAllValues` or `ForAnyValue`.
    package var isMultivalued: Bool {
        switch self {
        case .principalOrgPaths, .resourceOrgPaths, .sourceOrgPaths, .tagKeys, .eventsSource, .eventsDetailType,
            .eventsTargetArn, .stsTransitiveTagKeys:
            true
        default: false
        }
    }

    private static let byName: [String: ContextKey] = Dictionary(
        uniqueKeysWithValues: allCases.map { (lowercased($0.name), $0) })

    /// The key of that name in any case.
    package init?(named name: String) {
        guard let key = Self.byName[lowercased(name)] else { return nil }
        self = key
    }
}

/// Keys that carry a tag's name, and keys this gateway does not know (`compat: aws`, simulation).
package enum ContextFamily: UInt8, CaseIterable, Sendable {
    case principalTag, resourceTag, requestTag, other

    /// `aws:PrincipalTag/`; empty for the unknown.
    package var prefix: String {
        switch self {
        case .principalTag: "aws:PrincipalTag/"
        case .resourceTag: "aws:ResourceTag/"
        case .requestTag: "aws:RequestTag/"
        case .other: ""
        }
    }
}

/// A condition key as a policy or a request names it.
package enum ContextKeyName: Hashable, Sendable {
    case known(ContextKey)
    /// The rest of the name after the family's prefix, lower case.
    case named(ContextFamily, String)

    /// Never fails: an unknown name is of the family `other`.
    package init(_ text: String) {
        if let key = ContextKey(named: text) {
            self = .known(key)
            return
        }
        let lower = lowercased(text)
        for family in [ContextFamily.principalTag, .resourceTag, .requestTag] {
            let prefix = lowercased(family.prefix)
            if lower.utf8.count > prefix.utf8.count, lower.hasPrefix(prefix) {
                self = .named(family, String(lower.dropFirst(prefix.count)))
                return
            }
        }
        self = .named(.other, lower)
    }

    /// Whether this gateway knows the key.
    package var isKnown: Bool {
        if case .named(.other, _) = self { false } else { true }
    }
}

/// ASCII letters in lower case, everything else as it is: how IAM compares names.
func lowercased(_ text: String) -> String {
    String(decoding: text.utf8.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }, as: UTF8.self)
}
