#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/led_text.hpp"
#include "pgeist/transfer/spec.hpp"

namespace pgeist::plan {

/// How the two tables of a revertible job change places again, and again after that. Stored with the job beside its
/// blueprint, which stays what it was: its source is the old table, its shadow the new one, wherever they are.
struct revert_plan {
    /// Odd: the new table is in use and the old one waits. Even: they have changed places again.
    int leg = 1;
    /// Brings what is written to the table in use to the one that waits.
    transfer::spec back;
    /// That of leg 1, as it was planned with the change.
    transfer::spec first;
    /// The columns of the way there, as they were planned first.
    std::vector<column> there;
    /// The table that waits as it was when it was in use last: what it is to be again.
    catalog::table waiting;
    /// What it was made of, see catalog::fingerprint_parts(), when it began to wait: nobody else is to change it.
    /// Empty: not known.
    std::vector<std::string> waiting_parts;
    /// Columns of the table in use when it came there, with their types: what others do to those that go back is the
    /// end of the way back.
    std::vector<std::pair<std::string, std::string>> in_use;
    /// The comments on it and its parts at that time, by commented_key(): those set since go with it.
    std::vector<std::pair<std::string, std::string>> comments;
    /// Of objects elsewhere, at the table that waits.
    std::vector<led_text> texts;
    /// Attribute numbers of one and the same column, in the old table and in the new one.
    std::vector<std::pair<int, int>> same_columns;
    /// SQL by which what the way before has noted goes on to this one, before its log is removed; may be empty.
    std::string take_over;
    /// Of the last swap; its stage `finish` may still be to be done. Absent: that was the job's first one.
    std::optional<blueprint> last_swap;

    [[nodiscard]] bool old_is_in_use() const noexcept { return leg % 2 == 0; }
};

/// A part of a table, as catalog::commented names it, in one word: `COLUMN note`.
[[nodiscard]] std::string commented_key(const std::string& kind, const std::string& name);

[[nodiscard]] std::string to_json(const revert_plan& value);
/// The same with what comes after the next swap, as member `next`: the swap puts that in the place of the whole.
[[nodiscard]] std::string to_json(const revert_plan& value, const revert_plan& next);
/// @throws error (failed) when the text is none
[[nodiscard]] revert_plan revert_plan_from_json(const std::string& text);

}  // namespace pgeist::plan
