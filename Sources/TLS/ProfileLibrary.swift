import COpenSSL

/// The library context TLS works in: OpenSSL's default provider, without the algorithms that `Profile` has no use for.
///
/// To find who reads the key in a peer's certificate, OpenSSL 3.0 walks over every algorithm of the context, some 250
/// of them, several times (github.com/openssl/openssl/issues/19119). Among these thirty that costs a quarter. The
/// algorithms themselves are OpenSSL's own; a key of a kind that is not here is one that cannot be read.
///
/// - Source: docs.openssl.org/3.0/man7/provider, OSSL_LIB_CTX(3), OSSL_PROVIDER_add_builtin(3)
enum ProfileLibrary {
    /// nil, which means the process's own context, when that holds any provider but the default one: what an operator
    /// configured in openssl.cnf is not passed over. Also without memory.
    static var context: OpaquePointer? { shared?.pointer }

    /// What stays, by the first of an algorithm's names.
    private static let kept: [Int32: Set<String>] = [
        // SHA-1 is no signature's: OpenSSL compares certificates by it. What is signed by SHA-224 is read and refused.
        OSSL_OP_DIGEST: ["SHA1", "SHA2-224", "SHA2-256", "SHA2-384", "SHA2-512"],
        OSSL_OP_CIPHER: ["AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"],
        OSSL_OP_MAC: ["HMAC"],
        OSSL_OP_KDF: ["HKDF", "TLS13-KDF", "TLS1-PRF"],
        OSSL_OP_RAND: ["CTR-DRBG", "SEED-SRC"],
        OSSL_OP_KEYMGMT: ["EC", "ED25519", "RSA", "RSA-PSS", "X25519"],
        OSSL_OP_KEYEXCH: ["ECDH", "X25519"],
        OSSL_OP_SIGNATURE: ["ECDSA", "ED25519", "RSA"],
        OSSL_OP_DECODER: ["EC", "ED25519", "RSA", "RSA-PSS"],
    ]

    /// Sendable because nothing changes it after `makeFilter`, and OpenSSL locks a context itself.
    private struct Filter: @unchecked Sendable {
        let provider: OpaquePointer
        /// For each operation a list that ends with an empty entry; never freed.
        let algorithms: [Int32: UnsafePointer<OSSL_ALGORITHM>]
        let functions: UnsafePointer<OSSL_DISPATCH>
    }

    /// Sendable because OpenSSL locks a context itself.
    private struct Context: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private static let filter: Filter? = makeFilter()
    private static let shared: Context? = holdsOnlyDefaultProvider(nil) ? makeContext() : nil

    /// Whether `context`, nil for the process's own, is as OpenSSL makes it when openssl.cnf says nothing of providers.
    static func holdsOnlyDefaultProvider(_ context: OpaquePointer?) -> Bool {
        var others: Int32 = 0
        let isAsked = OSSL_PROVIDER_do_all(
            context,
            { provider, others in
                let isDefault = OSSL_PROVIDER_get0_name(provider).map { String(cString: $0) == "default" } ?? false
                if !isDefault { others?.assumingMemoryBound(to: Int32.self).pointee += 1 }
                return 1
            }, &others)
        return isAsked == 1 && others == 0 && EVP_default_properties_is_fips_enabled(context) == 0
    }

    private static func makeContext() -> Context? {
        guard filter != nil, let context = OSSL_LIB_CTX_new() else { return nil }
        let isLoaded =
            OSSL_PROVIDER_add_builtin(context, "isthmus", start) == 1 && OSSL_PROVIDER_load(context, "isthmus") != nil
        if isLoaded { return Context(pointer: context) }
        OSSL_LIB_CTX_free(context)
        return nil
    }

    /// The default provider, in a context of its own: its algorithms find there whatever they are made of.
    private static func makeFilter() -> Filter? {
        guard let whole = OSSL_LIB_CTX_new() else { return nil }
        guard let provider = OSSL_PROVIDER_load(whole, "default") else {
            OSSL_LIB_CTX_free(whole)
            return nil
        }
        var algorithms: [Int32: UnsafePointer<OSSL_ALGORITHM>] = [:]
        for (operation, names) in kept { algorithms[operation] = select(operation, names, of: provider) }
        let functions = UnsafeMutablePointer<OSSL_DISPATCH>.allocate(capacity: 3)
        functions.initialize(repeating: OSSL_DISPATCH(), count: 3)
        functions[0].function_id = OSSL_FUNC_PROVIDER_QUERY_OPERATION
        functions[0].function = unsafeBitCast(query, to: (@convention(c) () -> Void).self)
        functions[1].function_id = OSSL_FUNC_PROVIDER_GET_CAPABILITIES
        functions[1].function = unsafeBitCast(capabilities, to: (@convention(c) () -> Void).self)
        return Filter(provider: provider, algorithms: algorithms, functions: functions)
    }

    private static func select(
        _ operation: Int32, _ names: Set<String>, of provider: OpaquePointer
    ) -> UnsafePointer<OSSL_ALGORITHM> {
        var chosen: [OSSL_ALGORITHM] = []
        var isUncached: Int32 = 0
        var next = OSSL_PROVIDER_query_operation(provider, operation, &isUncached)
        while let algorithm = next?.pointee, let all = algorithm.algorithm_names {
            let name = String(String(cString: all).prefix { $0 != ":" })
            if names.contains(name), operation != OSSL_OP_DECODER || readsCertificateKeys(algorithm) {
                chosen.append(algorithm)
            }
            next = next?.successor()
        }
        let list = UnsafeMutablePointer<OSSL_ALGORITHM>.allocate(capacity: chosen.count + 1)
        list.initialize(repeating: OSSL_ALGORITHM(), count: chosen.count + 1)
        list.update(from: chosen, count: chosen.count)
        return UnsafePointer(list)
    }

    /// Whether a decoder reads a SubjectPublicKeyInfo, the form a key has in a certificate (RFC 5280 § 4.1.2.7).
    private static func readsCertificateKeys(_ decoder: OSSL_ALGORITHM) -> Bool {
        guard let definition = decoder.property_definition else { return false }
        let properties = String(cString: definition).split(separator: ",")
        return properties.contains("input=der") && properties.contains("structure=SubjectPublicKeyInfo")
    }
}

// MARK: - What OpenSSL calls

extension ProfileLibrary {
    private static let start:
        @convention(c) (
            OpaquePointer?, UnsafePointer<OSSL_DISPATCH>?, UnsafeMutablePointer<UnsafePointer<OSSL_DISPATCH>?>?,
            UnsafeMutablePointer<UnsafeMutableRawPointer?>?
        ) -> Int32 = { _, _, functions, state in
            guard let filter else { return 0 }
            functions?.pointee = filter.functions
            // The algorithms are the default provider's: they are given its own state.
            state?.pointee = OSSL_PROVIDER_get0_provider_ctx(filter.provider)
            return 1
        }

    private static let query:
        @convention(c) (
            UnsafeMutableRawPointer?, Int32, UnsafeMutablePointer<Int32>?
        ) -> UnsafePointer<OSSL_ALGORITHM>? = { _, operation, isUncached in
            isUncached?.pointee = 0
            return filter?.algorithms[operation]
        }

    private static let capabilities:
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<CChar>?,
            (@convention(c) (UnsafePointer<OSSL_PARAM>?, UnsafeMutableRawPointer?) -> Int32)?, UnsafeMutableRawPointer?
        ) -> Int32 = { _, capability, give, receiver in
            guard let filter else { return 0 }
            return OSSL_PROVIDER_get_capabilities(filter.provider, capability, give, receiver)
        }
}
