package import AccessPolicy
import Domain
package import Identity

extension DecisionRecord.Caller {
    /// The caller as records name it.
    package init(_ caller: Caller) {
        self.init(
            principal: caller.principal.arn, account: "\(caller.account)",
            organizationPath: caller.organizationPath?.description, trustDomain: caller.trustDomain,
            accessKeyID: caller.accessKeyID, endpoint: caller.endpoint, sourceAddress: caller.sourceAddress)
    }
}
