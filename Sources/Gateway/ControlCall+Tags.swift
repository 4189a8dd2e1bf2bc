import Domain
import JSON
import Registry

/// `TagResource`, `UntagResource` and `ListTagsForResource`, of event buses.
extension ControlCall {
    func tagResource() throws(Fault) -> Outcome {
        let id = try taggedBus()
        let tags = try parameters.tags("Tags")
        guard parameters.has("Tags") else { throw Parameters.constraint("Tags", "null", "Member must not be null") }
        try authorize(id, tags: TagFacts(giving: tags))
        guard snapshot.bus(id) != nil else { throw missing(id) }
        let transition = try carry { () throws(ControlFault) in try snapshot.taggingEventBus(id, tags, at: now) }
        return Outcome(transition: transition, answer: Self.empty)
    }

    func untagResource() throws(Fault) -> Outcome {
        let id = try taggedBus()
        let keys = try parameters.strings("TagKeys")
        guard keys.count <= Limits.tagsPerResource else {
            throw Fault(.limitExceeded, "The requested resource exceeds the maximum number allowed.")
        }
        try authorize(id, tags: TagFacts(naming: keys))
        guard snapshot.bus(id) != nil else { throw missing(id) }
        let transition = try carry { () throws(ControlFault) in try snapshot.untaggingEventBus(id, keys: keys, at: now)
        }
        return Outcome(transition: transition, answer: Self.empty)
    }

    func listTagsForResource() throws(Fault) -> Outcome {
        let id = try taggedBus()
        try authorize(id)
        guard let bus = snapshot.bus(id) else { throw missing(id) }
        let answer = Self.answer { writer in
            writer.key("Tags")
            writer.array { writer in
                for tag in bus.properties.tags {
                    writer.object { writer in
                        writer.member("Key", tag.key)
                        writer.member("Value", tag.value)
                    }
                }
            }
        }
        return Outcome(answer: answer)
    }

    private func taggedBus() throws(Fault) -> EventBusID {
        try busID(arn: try parameters.required("ResourceARN", maximum: ARN.maximumBytes), parameter: "ResourceARN")
    }
}
