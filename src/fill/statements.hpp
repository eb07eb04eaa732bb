#pragma once

#include <string>

#include "pgeist/fill/spec.hpp"
#include "pgeist/walk/key_range.hpp"
#include "pgeist/walk/key_sql.hpp"

// The SQL of a fill. All statements name columns bare where the user's expressions do, so that only one relation with
// the table's columns is in reach of them.
namespace pgeist::fill {

/// At the end of a chunk, which can then still say which row it is that a deferred constraint does not take. Deferred
/// triggers fire, too; then the search_path is ours again, see statements::write().
inline constexpr const char* check_deferred = "SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL search_path TO pg_catalog";

/// What is done about rows that somebody has locked.
enum class locked_rows {
    fail,  ///< NOWAIT: the statement fails with 55P03
    skip   ///< SKIP LOCKED: they are left out
};

/// What the session has counted of HOT updates of the table's rows since its figures were last sent: only differences
/// mean something.
[[nodiscard]] std::string hot_updates(const spec& of);

class statements {
public:
    explicit statements(const spec& of) : of_(&of) {}

    /// Sets, or deletes, the rows of a range that differ. One row: found (rows that differed and were not locked),
    /// written, hot (what the session has counted of HOT updates by then), saw (the statement's snapshot). Leaves the
    /// transaction with the user's search_path.
    [[nodiscard]] walk::bound_sql write(const walk::key_range& range, locked_rows how) const;
    /// Keys, as text, of rows of the range that differ and are locked; and the lockers' transactions (xmax).
    [[nodiscard]] walk::bound_sql locked(const walk::key_range& range, int most) const;
    /// Of the rows of a range that differ: known (of the transaction `looked_in`, or visible in `saw`), since (all
    /// others), keys (of the known, at most ten).
    [[nodiscard]] walk::bound_sql left(const walk::key_range& range, const std::string& looked_in,
                                       const std::string& saw) const;
    /// How many rows of a range differ (differing), and keys of ten of them (keys).
    [[nodiscard]] walk::bound_sql differing(const walk::key_range& range) const;
    /// How many rows the range has.
    [[nodiscard]] walk::bound_sql count(const walk::key_range& range) const;
    /// The key, and the columns that expressions may read, of one row of the range, as text.
    [[nodiscard]] walk::bound_sql describe(const walk::key_range& range) const;

    /// True for rows that are to be written: `(condition) AND (c IS DISTINCT FROM e OR …)`.
    [[nodiscard]] std::string is_wanted() const;

private:
    [[nodiscard]] std::string changes() const;
    [[nodiscard]] walk::bound_sql wanted_in(const walk::key_range& range) const;
    [[nodiscard]] std::string keys(const std::string& alias, bool as_text) const;
    [[nodiscard]] std::string same_key(const std::string& row, const std::string& picked) const;

    const spec* of_;
};

}  // namespace pgeist::fill
