import Gateway
import Storage

/// Which decisions are recorded beside every denial, and how long records are kept.
struct DecisionSettings: Equatable, Sendable {
    enum Allows: String, CaseIterable, Sendable {
        case none
        case sampled
        case all
    }

    var allows = Allows.none
    /// Counts for `sampled` alone.
    var sampleOneIn = 100
    var keepRecords = 1_000_000
    var keepBytes = 1 << 30
    var keepDays = 30

    var recorded: DecisionRecorder.Allows {
        switch allows {
        case .none: .none
        case .sampled: .sampled(oneIn: sampleOneIn)
        case .all: .all
        }
    }

    var bounds: DecisionBounds {
        DecisionBounds(records: keepRecords, bytes: keepBytes, seconds: Int64(keepDays) * 86_400)
    }
}

extension ConfigurationLoader {
    private static let decisionKeys = ["allows", "sampleOneIn", "keepRecords", "keepBytes", "keepDays"]

    func readDecisions(_ value: YAMLValue?) -> DecisionSettings {
        var settings = DecisionSettings()
        guard let mapping = value?.mapping(Self.decisionKeys) else { return settings }
        if let allows = mapping["allows"]?.choice(DecisionSettings.Allows.self) { settings.allows = allows }
        if let oneIn = mapping["sampleOneIn"] {
            if settings.allows != .sampled {
                oneIn.error(
                    "`decisions.sampleOneIn` counts for sampled allows alone", "write `allows: sampled` or remove it")
            }
            if let number = oneIn.integer(in: 2...1_000_000_000) { settings.sampleOneIn = number }
        }
        if let number = mapping["keepRecords"]?.integer(in: 1000...1_000_000_000) { settings.keepRecords = number }
        if let number = mapping["keepBytes"]?.integer(in: 1_048_576...1_099_511_627_776) { settings.keepBytes = number }
        if let number = mapping["keepDays"]?.integer(in: 1...3650) { settings.keepDays = number }
        return settings
    }
}
