#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/transfer/spec.hpp"

/// The way back: how rows of the new table become rows of the old one again. Decided here, without a server, from both
/// tables' definitions and the columns of the way there; columns are matched by identity, never by name. What the
/// server must be asked is told first: target::plan_way_back() does that.
namespace pgeist::transfer {

/// Value of an old column that the user gives: `--back-set "OLD_COLUMN = EXPRESSION over the new row"`, its names
/// resolved.
struct back_set {
    std::string expression;
    std::string text;       ///< as it was given, for people
    bool constant = false;  ///< the same for each row and each time
};

/// What is known when the way there is planned.
struct way_there {
    const catalog::table& old_table;
    const catalog::table& new_table;     ///< as it will be after the swap, under the old one's name
    const std::vector<column>& columns;  ///< of the way there, in the new table's order
    const walk::key& key;                ///< that is walked on the way there
    /// Of the new table: by which the rows of `key` are found; empty: none that stays after the swap.
    std::string key_index;
    std::map<std::string, back_set> sets;  ///< by old column
    /// Old columns that take the value of the new one by an assignment, as INSERT does it; those of the same type are
    /// not among them.
    std::set<std::string> assignable;
    /// By old column whose value the change computes: the old columns that this reads.
    std::map<std::string, std::set<std::string>> computed_from;
    std::set<std::string> never_null;  ///< old columns whose domain takes no NULL, and has no default
    /// By dropped column: the CHECK that refuses what rows made after the swap would have in it, and what that is.
    std::map<std::string, std::pair<std::string, std::string>> refused_by;
};

/// What becomes of one old column.
struct column_back {
    std::string name;      ///< of the old table
    std::string new_name;  ///< of the new one; empty: it was dropped
    std::string how;       ///< `unchanged`, `bigint → integer, where it fits`, `kept; new rows: default 0` …
};

struct way_back {
    replay_mode mode = replay_mode::replace;
    std::vector<column> columns;            ///< for spec::columns, in the old table's order
    walk::key key;                          ///< of the new table, and the old one's columns that compare with it
    std::vector<column_back> told;          ///< for people
    std::vector<std::string> read_columns;  ///< all of the new table
    std::vector<std::string> added;     ///< columns of the new table that the old one has not: lost with the swap back
    std::vector<std::string> refusals;  ///< why there is no way back; each names the object and what to do
};

[[nodiscard]] way_back plan_way_back(const way_there& there);

/// The transfer of a way back that has no refusals: rows are set apart where they do not fit. `read`: the new table
/// where it is after the swap, `write`: the old one where it is then. `schema` is the transfer's own, not that of
/// another.
[[nodiscard]] spec as_spec(const way_back& back, relation read, relation write, std::string schema, bool row_triggers);

/// The other direction of a transfer that goes back, for a change that is made again: the same columns with read and
/// write side exchanged. `there`, `key`: the columns and the key of the first way. Always in mode keep, so that what
/// the new table has of its own stays.
[[nodiscard]] spec turned(const spec& back, const std::vector<column>& there, const walk::key& key);

/// `keep: …` or `replace: …`, one line for each column and each refusal: for `pgeist plan`.
[[nodiscard]] std::vector<std::string> describe(const way_back& back);

}  // namespace pgeist::transfer
