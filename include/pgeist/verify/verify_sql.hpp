#pragma once

#include <string>
#include <vector>

#include "pgeist/plan/blueprint.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::verify {

/// The statements that compare source and shadow. All of a chunk's run in one REPEATABLE READ snapshot.
class statements {
public:
    /// `hashed_as_text`: names of shadow columns whose type has no hash function; their text is hashed for the
    /// checksum.
    statements(const plan::blueprint& plan, std::vector<std::string> hashed_as_text);

    /// One row: source_rows, shadow_rows, differing, checksum, shadow_checksum of a range. Compares byte images, so
    /// that values that are equal without being the same bytes (numeric 1.0 and 1.00) count as different.
    [[nodiscard]] walk::bound_sql compare(const walk::key_range& range) const;

    /// Puts the differing keys of a range into `recheck`, and those of them that no visible log row explains also into
    /// the log, to be copied again. Returns the latter, one row of text columns each.
    [[nodiscard]] walk::bound_sql list_differences(const walk::key_range& range) const;

    /// Looks at the keys of `recheck` again, in one statement: forgets those that are the same now, queues newly found
    /// differences for repair. One row: same, pending, repaired (queued now), failed (keys as text, at most 20).
    [[nodiscard]] std::string recheck() const;

private:
    [[nodiscard]] walk::bound_sql joined(const walk::key_range& range, const std::string& select) const;
    [[nodiscard]] std::string image(walk::side of, const std::string& alias, bool hashable) const;
    [[nodiscard]] std::string images(walk::side of, const std::string& alias) const;
    [[nodiscard]] std::string difference() const;

    const plan::blueprint* plan_;
    std::vector<std::string> hashed_as_text_;
};

}  // namespace pgeist::verify
