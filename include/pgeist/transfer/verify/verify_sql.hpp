#pragma once

#include <string>
#include <vector>

#include "pgeist/transfer/spec.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::verify {

/// Whether the row with the key in `alias.k1, …` is set apart, and so rightly not in the write side.
[[nodiscard]] std::string is_set_apart(const transfer::spec& transfer, const std::string& alias);

/// The statements that compare both sides. All of a chunk's run in one REPEATABLE READ snapshot.
class statements {
public:
    explicit statements(const transfer::spec& transfer);

    /// One row: read_rows, write_rows, differing, checksum, write_checksum of a range. Values that are equal
    /// without being the same bytes (numeric 1.0 and 1.00) count as different: a column is compared by its type's `=`
    /// where that is true for the same bytes only (much the cheapest), as text byte by byte, by what would be sent to a
    /// binary client, or else by its image in memory. The checksums are sums over the rows of a hash of the key and of
    /// the numbers, texts, uuids and timestamps without time zone.
    [[nodiscard]] walk::bound_sql compare(const walk::key_range& range) const;

    /// Puts the differing keys of a range into `recheck`, and those of them that no visible log row explains also into
    /// the log, to be copied again. Returns the latter, one row of text columns each.
    [[nodiscard]] walk::bound_sql list_differences(const walk::key_range& range) const;

    /// Looks at the keys of `recheck` again, in one statement: forgets those that are the same now, queues newly found
    /// differences for repair. One row: same, pending, repaired (queued now), failed (keys as text, at most 20),
    /// differing_columns (of the failed: names in the write side).
    [[nodiscard]] std::string recheck() const;

private:
    /// A column that is compared, under the name c1, c2 … on both sides.
    struct compared {
        const transfer::column* column = nullptr;
        std::string name;
        std::string read_value;
        std::string write_value;
        std::string type;  ///< in which both are compared, without a length
        bool in_key = false;
        int number = 0;  ///< of a column whose values fit together by functions (triggers/unproven.sql); else 0
    };

    [[nodiscard]] std::vector<compared> compared_columns() const;
    /// Those that the checksums take in: the key, and of the others as many as are easily hashed and handed on.
    [[nodiscard]] std::vector<compared> hashed_columns() const;
    [[nodiscard]] walk::bound_sql joined(const walk::key_range& range, const std::string& select) const;
    /// `, v AS c1, w AS c2 …`
    [[nodiscard]] std::string values(walk::side of) const;
    /// Whether s.c1 … and t.c1 … differ; never null.
    [[nodiscard]] std::string difference() const;
    [[nodiscard]] std::string difference_in(const compared& each) const;
    /// An array of the names of the columns that differ, and nulls.
    [[nodiscard]] std::string differing_columns() const;
    [[nodiscard]] std::string hash(const std::string& prefix) const;

    const transfer::spec* transfer_;
};

}  // namespace pgeist::verify
