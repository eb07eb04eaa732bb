#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"

namespace pgeist::catalog {

/// What COMMENT ON can say something about at a table: itself, or a part of it.
struct commented {
    std::string kind;                 ///< as in the statement: TABLE, TYPE (of its rows), COLUMN, INDEX …
    std::string name;                 ///< of the part, unqualified; empty for the table and its row type
    std::optional<std::string> text;  ///< the comment; absent: none
};

/// A table and its parts with their comments, pgeist's own triggers and the sequences of its columns left out.
/// Locks: none.
[[nodiscard]] awaitable<std::vector<commented>> read_comments(pg::connection& session, std::int64_t table_oid);

}  // namespace pgeist::catalog
