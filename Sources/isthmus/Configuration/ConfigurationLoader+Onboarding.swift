import Cryptography
import Domain

extension ConfigurationLoader {
    private static let onboardingKeys = ["authority", "listener", "endpoint", "bundle", "certificateSeconds"]
    /// The longest endpoint. Source: RFC 1035 § 2.3.4, a name has at most 255 bytes; the scheme and a port beside it.
    private static let endpointBytesLimit = 272

    func readOnboarding(
        _ value: YAMLValue?, listeners: [Configuration.Listener]?, trustDomains: [Configuration.TrustDomain]
    ) -> Configuration.Onboarding? {
        guard let mapping = value?.mapping(Self.onboardingKeys) else { return nil }
        let authority = mapping.required("authority", "/etc/isthmus/partners").flatMap {
            readAuthority($0, besides: trustDomains)
        }
        let listener = mapping.required("listener", "vpce-0a1b2c3d4e5f60719").flatMap {
            readOpenListener($0, among: listeners ?? [])
        }
        let endpoint = mapping.required("endpoint", "https://events.example.com:8444").flatMap { readEndpoint($0) }
        let bundle = mapping.required("bundle", "server-ca.pem").flatMap { readServerBundle($0) }
        let seconds = mapping["certificateSeconds"].map { $0.integer(in: 60...2_592_000) } ?? 86_400
        guard let authority, let listener, let endpoint, let bundle, let seconds else { return nil }
        return Configuration.Onboarding(
            authority: authority.directory, trustDomain: authority.trustDomain, certificate: authority.certificate,
            listener: listener.id, pin: listener.pin, endpoint: endpoint, bundle: bundle, certificateSeconds: seconds)
    }

    private func readAuthority(
        _ value: YAMLValue, besides trustDomains: [Configuration.TrustDomain]
    ) -> (directory: String, trustDomain: String, certificate: LoadedFile)? {
        guard let path = readPath(value) else { return nil }
        let directory = Path.absolute(path, workingDirectory: workingDirectory)
        let advice = "make it: `isthmus pki init --directory \(directory) --trust-domain partners.example`"
        do throws(SourceFiles.Failure) {
            let index = try files.read(directory + "/index.jsonl", IssuanceIndex.maximumBytes)
            let certificate = LoadedFile(
                path: directory + "/ca.pem",
                bytes: try files.read(directory + "/ca.pem", Self.maximumCertificateBytes).bytes)
            let name: String
            do throws(ProgramError) {
                name = try IssuanceIndex(reading: index.bytes, file: directory + "/index.jsonl").trustDomain
            } catch {
                value.error("`\(value.path)`: \(error)", advice)
                return nil
            }
            return isApart(name, certificate, besides: trustDomains, at: value) ? (directory, name, certificate) : nil
        } catch {
            value.error("`\(value.path)`: `\(directory)` is no authority's directory: \(error.cause)", advice)
            return nil
        }
    }

    /// Whether the partners' authority shares neither name nor key with a trust domain.
    private func isApart(
        _ name: String, _ certificate: LoadedFile, besides trustDomains: [Configuration.TrustDomain],
        at value: YAMLValue
    ) -> Bool {
        guard TrustDomainName.isValid(name) else {
            value.error("`\(value.path)`: its index names no trust domain", "make it by `isthmus pki init`")
            return false
        }
        let pins: [Digest]
        do throws(CryptographyError) {
            pins = try Certificate.certificates(pem: certificate.bytes).map(\.publicKeyFingerprint)
        } catch {
            value.error("`\(certificate.path)` holds no usable certificates: \(error)", "make it by `isthmus pki init`")
            return false
        }
        guard !trustDomains.contains(where: { $0.name == name || !$0.issuerPins.allSatisfy { !pins.contains($0) } })
        else {
            value.error(
                "the authority of `\(value.path)` is one of `trustDomains`, too",
                "give the partners an authority of their own: the gateway decides for whom it vouches")
            return false
        }
        return true
    }

    private func readOpenListener(
        _ value: YAMLValue, among listeners: [Configuration.Listener]
    ) -> (id: String, pin: Digest)? {
        guard let id = value.text() else { return nil }
        guard let listener = listeners.first(where: { $0.id == id }) else {
            value.error("`\(value.path)`: there is no listener `\(id)`", "name one of `listeners`")
            return nil
        }
        guard listener.clientCertificate == .optional else {
            value.error(
                "`\(value.path)`: `\(id)` requires a client certificate, and who joins has none yet",
                "name a listener with `clientCertificate: optional`")
            return nil
        }
        do throws(CryptographyError) {
            return (id, try Certificate.certificates(pem: listener.certificate.bytes)[0].publicKeyFingerprint)
        } catch {
            value.error("`\(listener.certificate.path)` holds no usable certificates: \(error)", "name a PEM file")
            return nil
        }
    }

    private func readEndpoint(_ value: YAMLValue) -> String? {
        guard let text = value.text() else { return nil }
        let place = text.dropFirst("https://".utf8.count)
        let isPlace =
            !place.isEmpty
            && place.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x3A, 0x41...0x5B, 0x5D, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }
        if text.hasPrefix("https://"), text.utf8.count <= Self.endpointBytesLimit, isPlace { return text }
        value.error("`\(value.path)` is `\(text)`", "write https://HOST:PORT without a path")
        return nil
    }

    private func readServerBundle(_ value: YAMLValue) -> LoadedFile? {
        guard
            let file = readFile(
                value, maximumBytes: 64 * 1024, "a PEM file with the authorities of the listener's certificate")
        else { return nil }
        do throws(CryptographyError) {
            _ = try Certificate.certificates(pem: file.bytes)
            return file
        } catch {
            value.error("`\(file.path)` holds no usable certificates: \(error)", "name a PEM file")
            return nil
        }
    }
}
