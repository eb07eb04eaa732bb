#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/ddl/statement.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/steps/choose.hpp"

// Columns of expanded tables, which a trigger keeps in step for as long as old and new versions of an application are
// at work. A change of such a column would make their statements fail.
namespace pgeist::steps {

/// A column of an expanded table, as it is now.
struct kept_column {
    std::int64_t job = 0;  ///< that has expanded the table
    std::string table;     ///< as relations are named
    std::int64_t table_oid = 0;
    std::string trigger;
    std::string name;
    std::string definition;  ///< all of it that must not change
    friend bool operator==(const kept_column&, const kept_column&) = default;
};

/// Of all tables whose trigger is there and always fires, in a state of this version that is one's own. Empty where
/// nothing is expanded. One query, made for use under a lock; waits for none.
[[nodiscard]] awaitable<std::vector<kept_column>> kept_columns(pg::connection& session);

/// What in a statement about `table` the trigger, or the way it judges what a statement gives, would not survive; the
/// first of it. Pure.
[[nodiscard]] std::optional<obstacle> find_breach(const ddl::statement& what, const std::string& table,
                                                  const std::vector<kept_column>& kept);

/// Adds to the refusals each step that would break an expansion. `session`: in no transaction.
[[nodiscard]] awaitable<void> refuse_breaches(pg::connection& session, choice& made);

/// In the transaction that has changed something, the search_path as it was then. @throws error (refused) naming what
/// of `before` is not as it was; a table that has gone needs nothing kept
[[nodiscard]] awaitable<void> require_kept(pg::connection& session, std::vector<kept_column> before);

}  // namespace pgeist::steps
