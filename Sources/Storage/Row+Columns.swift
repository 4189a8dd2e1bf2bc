import Foundation
import GRDB

/// Columns as they are found: in a damaged file any of them may be of another type, or nothing, for which GRDB's own
/// subscripts end the process.
extension Row {
    func integer(_ column: Int) -> Int64? { Int64.fromDatabaseValue(self[column]) }

    func bytes(_ column: Int) -> Data? { Data.fromDatabaseValue(self[column]) }

    func text(_ column: Int) -> String? { String.fromDatabaseValue(self[column]) }
}
