// swift-tools-version: 6.2
import PackageDescription

// The manifest is the architecture: targets are declared lowest floor first, and `floor` refuses a dependency that is
// not declared above the target that names it.

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
    // Measured: run-time exclusivity checks cost 2 % of a request; debug builds and tests keep them.
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

/// The targets, in the order they may depend on each other.
struct House {
    private(set) var targets: [Target] = []

    mutating func add(_ name: String, _ modules: [String], _ target: Target) {
        for module in modules where !targets.contains(where: { $0.name == module }) {
            preconditionFailure("`\(name)` depends on `\(module)`, which is not declared on a lower floor")
        }
        targets.append(target)
    }

    mutating func system(_ name: String, pkgConfig: String? = nil) {
        add(name, [], .systemLibrary(name: name, pkgConfig: pkgConfig))
    }

    mutating func floor(_ name: String, _ modules: [String] = [], products: [Target.Dependency] = []) {
        let dependencies = modules.map { Target.Dependency.target(name: $0) } + products
        add(name, modules, .target(name: name, dependencies: dependencies, swiftSettings: strict))
    }

    mutating func tests(
        _ name: String, _ modules: [String], products: [Target.Dependency] = [], exclude: [String] = []
    ) {
        let dependencies = modules.map { Target.Dependency.target(name: $0) } + products
        add(
            name, modules,
            .testTarget(
                name: name, dependencies: dependencies, path: "Tests/\(name)", exclude: exclude, swiftSettings: strict))
    }
}

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]
let grdb: [Target.Dependency] = ["GRDB", "GRDBSQLite"].map { .product(name: $0, package: "GRDB.swift") }
let yams: [Target.Dependency] = [.product(name: "Yams", package: "Yams")]
let arguments: [Target.Dependency] = [.product(name: "ArgumentParser", package: "swift-argument-parser")]
let signals: [Target.Dependency] = [.product(name: "UnixSignals", package: "swift-service-lifecycle")]

var house = House()

// 0 · C libraries
house.system("COpenSSL", pkgConfig: "openssl")
house.system("CNghttp2", pkgConfig: "libnghttp2")
house.system("CCurl", pkgConfig: "libcurl")
house.system("CMalloc")
house.add(
    "CSimdjson", [],
    .target(
        name: "CSimdjson", cxxSettings: [.unsafeFlags(["-O3"])],
        linkerSettings: [.linkedLibrary("simdjson"), .linkedLibrary("stdc++")]))

// 1 · words
house.floor("Domain")
house.floor("JSON", ["CSimdjson"])
house.floor("Telemetry", ["Domain", "JSON"])

// 2 · engines
house.floor("Cryptography", ["COpenSSL"])
house.floor("TLS", ["COpenSSL", "Cryptography"])
house.floor("HTTP2", ["CNghttp2", "Domain"])

// 3 · rules
house.floor("AccessPolicy", ["Domain", "JSON"])
house.floor("Identity", ["Domain", "JSON", "Cryptography", "AccessPolicy"])
house.floor("Ledger", ["Domain", "Cryptography"])

// 4 · core
house.floor("Registry", ["Domain", "JSON", "Cryptography", "AccessPolicy", "Identity"])
house.floor(
    "Bus", ["Domain", "JSON", "Telemetry", "Cryptography", "AccessPolicy", "Identity", "Ledger", "Registry"])

// 5 · edges
house.floor("Network", ["Domain", "JSON", "Telemetry", "Cryptography", "TLS", "HTTP2"], products: nio)
house.floor("Storage", ["Domain", "JSON", "Telemetry", "Cryptography", "Ledger", "Registry", "Bus"], products: grdb)
house.floor("Targets", ["CCurl", "Domain", "Cryptography"])

// 6 · the order of steps
house.floor(
    "Gateway",
    [
        "Domain", "JSON", "Telemetry", "Cryptography", "TLS", "AccessPolicy", "Identity", "Ledger", "Registry", "Bus",
        "Network",
    ])

// 7 · the program
let program = [
    "CMalloc", "Domain", "JSON", "Telemetry", "Cryptography", "TLS", "AccessPolicy", "Identity", "Registry", "Bus", "Network",
    "Storage", "Targets", "Gateway",
]
house.add(
    "isthmus", program,
    .executableTarget(
        name: "isthmus", dependencies: program.map { .target(name: $0) } + yams + arguments + signals,
        swiftSettings: strict,
        // Every symbol is bound at the start, so that the tables of them are read-only from then on.
        linkerSettings: [.unsafeFlags(["-Xlinker", "-z", "-Xlinker", "now"])]))

// tests · fakes and generators
let kit = ["Domain", "JSON", "Cryptography", "AccessPolicy", "Identity", "Ledger", "Registry", "Bus"]
house.add(
    "TestKit", kit,
    .target(
        name: "TestKit", dependencies: kit.map { .target(name: $0) }, path: "Tests/TestKit", swiftSettings: strict))

// tests · one target for each module
house.add("CAllocations", [], .target(name: "CAllocations", path: "Tests/CAllocations"))
house.tests("DomainTests", ["Domain"])
house.tests("JSONTests", ["JSON", "TestKit"])
house.tests("TelemetryTests", ["Domain", "JSON", "Telemetry"])
house.tests("CryptographyTests", ["Cryptography"])
house.tests("TLSTests", ["COpenSSL", "Cryptography", "TLS"])
house.tests("HTTP2Tests", ["CNghttp2", "Domain", "HTTP2"])
house.tests("AccessPolicyTests", ["CAllocations", "Domain", "JSON", "AccessPolicy", "TestKit"])
house.tests("IdentityTests", ["Domain", "JSON", "Cryptography", "AccessPolicy", "Identity", "TestKit"])
house.tests("LedgerTests", ["Cryptography", "Ledger", "TestKit"])
house.tests("RegistryTests", ["Domain", "JSON", "Cryptography", "AccessPolicy", "Identity", "Registry", "TestKit"])
house.tests(
    "BusTests", ["Domain", "Cryptography", "AccessPolicy", "Identity", "Ledger", "Registry", "Bus", "TestKit"])
house.tests(
    "NetworkTests", ["Domain", "Cryptography", "TLS", "HTTP2", "Network", "TestKit"],
    products: nio + [.product(name: "NIOEmbedded", package: "swift-nio")])
house.tests(
    "StorageTests", ["Domain", "Cryptography", "Ledger", "Registry", "Bus", "Storage", "TestKit"], products: grdb)
house.tests("TargetsTests", ["COpenSSL", "Cryptography", "Targets"])
house.tests(
    "GatewayTests",
    [
        "Domain", "JSON", "Telemetry", "Cryptography", "AccessPolicy", "Identity", "Registry", "Bus", "Network",
        "Gateway", "TestKit",
    ])
house.tests("isthmusTests", ["Domain", "JSON", "Cryptography", "AccessPolicy", "Registry", "isthmus", "TestKit"])
house.tests("Tidy", ["Domain", "Telemetry"], exclude: ["exemptions.txt"])
house.add(
    "log-exerciser", ["Domain", "Cryptography", "Registry", "Bus", "Storage"],
    .executableTarget(
        name: "log-exerciser",
        dependencies: ["Domain", "Cryptography", "Registry", "Bus", "Storage"].map { .target(name: $0) },
        path: "Tests/Faults/Exerciser", swiftSettings: strict))
house.add(
    "decision-allocations", ["CAllocations", "TestKit"],
    .executableTarget(
        name: "decision-allocations", dependencies: ["CAllocations", "TestKit"].map { .target(name: $0) },
        path: "Tests/Benchmarks/Allocations", swiftSettings: strict))

let package = Package(
    name: "isthmus",
    products: [.executable(name: "isthmus", targets: ["isthmus"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: house.targets,
    swiftLanguageModes: [.v6]
)
