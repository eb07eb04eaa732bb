#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/tasks/expand/spec.hpp"

namespace pgeist::expand {

/// What has become of an expanded table in the meantime.
struct standing {
    std::optional<qualified_name> table;  ///< what it is called now; nothing: it has gone
    std::vector<std::string> gone;        ///< columns that are kept in step, dropped or renamed: as the spec names them
    std::vector<std::string> retyped;     ///< `"z" is varchar(3), and was text`

    [[nodiscard]] bool has_lost(const std::string& column) const;
};

/// Locks: none.
[[nodiscard]] awaitable<standing> look_at(pg::connection& session, const spec& plan);

/// Gives the plan the table's name of now. @throws error (refused) naming what has gone, or is of another type
[[nodiscard]] awaitable<void> require_whole(pg::connection& session, std::int64_t job, spec& plan);

}  // namespace pgeist::expand
