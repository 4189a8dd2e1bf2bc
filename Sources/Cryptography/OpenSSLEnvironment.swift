import COpenSSL
import Glibc

/// What OpenSSL was told by openssl.cnf, and whether it stands so.
///
/// OpenSSL passes over a configuration it cannot read and providers it cannot load: who asked for a validated module
/// would be served without it. So the program looks before it does anything.
/// Source: docs.openssl.org/3.0/man5/config, OPENSSL_CONF and "Provider Configuration".
package enum OpenSSLEnvironment {
    /// What nothing here works without, in whatever provider it is.
    private static let needed: [(name: String, isThere: @Sendable (String) -> Bool)] = [
        ("CTR-DRBG", { found(EVP_RAND_fetch(nil, $0, nil), EVP_RAND_free) }),
        ("SHA2-256", { found(EVP_MD_fetch(nil, $0, nil), EVP_MD_free) }),
        ("AES-256-GCM", { found(EVP_CIPHER_fetch(nil, $0, nil), EVP_CIPHER_free) }),
        ("EC", { found(EVP_KEYMGMT_fetch(nil, $0, nil), EVP_KEYMGMT_free) }),
        ("ECDSA", { found(EVP_SIGNATURE_fetch(nil, $0, nil), EVP_SIGNATURE_free) }),
    ]

    /// Makes sure that the configuration could be read, that every provider it activates is there, and that what they
    /// offer is enough. Call it once, before anything else uses OpenSSL.
    ///
    /// - Throws: `.configurationUnreadable`, `.providerMissing`, `.algorithmMissing`; the text of each says what to do.
    package static func require() throws(CryptographyError) {
        defer { OpenSSLErrorQueue.clear() }
        let path = defaultPath()
        for name in try activatedProviders(in: path, isNamed: isNamed) where OSSL_PROVIDER_available(nil, name) != 1 {
            throw .providerMissing(name: name, path: path)
        }
        for algorithm in needed where !algorithm.isThere(algorithm.name) {
            throw .algorithmMissing(name: algorithm.name, path: path)
        }
    }

    /// The names of the providers that the file activates, those left out for which a failure was said to be all right.
    ///
    /// - Parameters:
    ///   - path: empty for no configuration at all.
    ///   - isNamed: whether somebody named this file: then it has to be there.
    static func activatedProviders(in path: String, isNamed: Bool) throws(CryptographyError) -> [String] {
        guard !path.isEmpty, isNamed || access(path, F_OK) == 0 else { return [] }
        guard let configuration = NCONF_new(nil) else { throw .library(.allocate, code: 0) }
        defer { NCONF_free(configuration) }
        var line = 0
        guard NCONF_load(configuration, path, &line) == 1 else {
            throw .configurationUnreadable(path: path, line: max(0, line), isNamed: isNamed)
        }
        guard let start = value("openssl_conf", of: nil, configuration) else { return [] }
        guard settings(of: start, configuration) != nil else {
            throw .configurationUnreadable(path: path, line: 0, isNamed: isNamed)
        }
        guard let section = value("providers", of: start, configuration) else { return [] }
        guard let providers = settings(of: section, configuration) else {
            throw .configurationUnreadable(path: path, line: 0, isNamed: isNamed)
        }
        return providers.compactMap { provider in
            // A section that is not there is mostly one that its module's installation should have written.
            guard let all = settings(of: provider.value, configuration) else { return provider.name }
            // Premise: OpenSSL 3.0, for which `activate` counts by being there, whatever its value. Where a later one
            // takes `activate = 0` for no, that provider is asked for all the same, and the start refused without it.
            func setting(_ name: String) -> String? { all.last { $0.name == name }?.value }
            guard setting("activate") != nil, setting("soft_load") == nil else { return nil }
            return setting("identity") ?? provider.name
        }
    }

    private static var isNamed: Bool { getenv("OPENSSL_CONF") != nil }

    private static func defaultPath() -> String {
        guard let path = CONF_get1_default_config_file() else { return "" }
        defer { isthmus_OPENSSL_free(path) }
        return String(cString: path)
    }

    private static func value(
        _ name: String, of section: String?, _ configuration: UnsafeMutablePointer<CONF>
    ) -> String? {
        NCONF_get_string(configuration, section, name).map { String(cString: $0) }
    }

    /// The settings of a section, in their order; nil when there is none of that name. What stands before a dot only
    /// tells equal names apart.
    private static func settings(
        of section: String, _ configuration: UnsafeMutablePointer<CONF>
    ) -> [(name: String, value: String)]? {
        guard let stack = NCONF_get_section(configuration, section) else { return nil }
        return (0..<isthmus_sk_CONF_VALUE_num(stack)).compactMap { index in
            guard let entry = isthmus_sk_CONF_VALUE_value(stack, index)?.pointee, let name = entry.name,
                let value = entry.value
            else { return nil }
            let words = String(cString: name).split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            return (words.last.map { String($0) } ?? "", String(cString: value))
        }
    }

    private static func found(_ pointer: OpaquePointer?, _ free: (OpaquePointer?) -> Void) -> Bool {
        free(pointer)
        return pointer != nil
    }
}
