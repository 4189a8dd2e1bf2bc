// swift-tools-version: 6.2
import PackageDescription

// The manifest is the architecture: targets are declared lowest floor first, and `floor` refuses a dependency that is
// not declared above the target that names it.

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

var declared: [String] = []
var targets: [Target] = []

func refuseUpward(_ name: String, _ modules: [String]) {
    for module in modules where !declared.contains(module) {
        preconditionFailure("`\(name)` depends on `\(module)`, which is not declared on a lower floor")
    }
    declared.append(name)
}

func system(_ name: String, pkgConfig: String) {
    refuseUpward(name, [])
    targets.append(.systemLibrary(name: name, pkgConfig: pkgConfig))
}

func floor(_ name: String, _ modules: [String] = [], products: [Target.Dependency] = []) {
    refuseUpward(name, modules)
    let dependencies = modules.map { Target.Dependency.target(name: $0) } + products
    targets.append(.target(name: name, dependencies: dependencies, swiftSettings: strict))
}

func tests(_ name: String, _ modules: [String], products: [Target.Dependency] = []) {
    refuseUpward(name, modules)
    let dependencies = modules.map { Target.Dependency.target(name: $0) } + products
    targets.append(.testTarget(name: name, dependencies: dependencies, swiftSettings: strict))
}

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]
let grdb: [Target.Dependency] = [.product(name: "GRDB", package: "GRDB.swift")]
let yams: [Target.Dependency] = [.product(name: "Yams", package: "Yams")]
let arguments: [Target.Dependency] = [.product(name: "ArgumentParser", package: "swift-argument-parser")]
let signals: [Target.Dependency] = [.product(name: "UnixSignals", package: "swift-service-lifecycle")]

// 0 · C libraries
system("COpenSSL", pkgConfig: "openssl")
system("CNghttp2", pkgConfig: "libnghttp2")
refuseUpward("CSimdjson", [])
targets.append(
    .target(
        name: "CSimdjson", cxxSettings: [.unsafeFlags(["-O3"])],
        linkerSettings: [.linkedLibrary("simdjson"), .linkedLibrary("stdc++")]))

// 1 · words
floor("Domain")
floor("JSON", ["CSimdjson"])
floor("Telemetry", ["Domain", "JSON"])

// 2 · engines
floor("Cryptography", ["COpenSSL"])
floor("TLS", ["COpenSSL", "Cryptography"])
floor("HTTP2", ["CNghttp2", "Domain"])

// 3 · rules
floor("AccessPolicy", ["Domain", "JSON"])
floor("Identity", ["Domain", "JSON", "Cryptography"])
floor("Ledger", ["Domain", "Cryptography"])

// 4 · core
floor("Registry", ["Domain", "JSON", "Cryptography", "AccessPolicy", "Identity"])
floor("Bus", ["Domain", "JSON", "Telemetry", "Cryptography", "AccessPolicy", "Identity", "Ledger", "Registry"])

// 5 · edges
floor("Network", ["Domain", "Telemetry", "Cryptography", "TLS", "HTTP2"], products: nio)
floor("Storage", ["Domain", "JSON", "Telemetry", "Cryptography", "Ledger", "Registry", "Bus"], products: grdb)

// 6 · the order of steps
floor(
    "Gateway",
    [
        "Domain", "JSON", "Telemetry", "Cryptography", "TLS", "AccessPolicy", "Identity", "Ledger", "Registry", "Bus",
        "Network",
    ])

// 7 · the program
let program = [
    "Domain", "JSON", "Telemetry", "Cryptography", "TLS", "AccessPolicy", "Identity", "Registry", "Bus", "Network",
    "Storage", "Gateway",
]
refuseUpward("isthmus", program)
targets.append(
    .executableTarget(
        name: "isthmus",
        dependencies: program.map { .target(name: $0) } + yams + arguments + signals,
        swiftSettings: strict))

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
    targets: targets,
    swiftLanguageModes: [.v6]
)
