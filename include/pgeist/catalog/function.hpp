#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgeist/catalog/operators.hpp"
#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::catalog {

/// A function or procedure with all that it takes to make it again.
struct function {
    std::string schema;
    std::string signature;                ///< as regprocedure prints it, qualified
    std::string definition;               ///< pg_get_functiondef, qualified; empty for aggregates, which have none
    used_operators operators;             ///< of a parsed body and of the defaults of arguments
    std::vector<std::string> extensions;  ///< it DEPENDS ON
    std::vector<security_label> labels;
    std::string extension;    ///< the extension it belongs to; empty for none
    bool has_body = false;    ///< parsed when it was made (BEGIN ATOMIC)
    bool locks_rows = false;  ///< FOR UPDATE, FOR SHARE or the like in such a body
    std::string owner;
    bool owned = true;               ///< the current role has the owner's rights
    bool of_row_type = false;        ///< takes or gives the table's row type
    bool takes_row_type = false;     ///< among its arguments: one of the same name can stand beside it
    std::vector<std::string> views;  ///< OIDs of plain views that use it
    std::string users;               ///< what else depends on it, for messages; empty: nothing
    access_list acl;
    access_list implied_acl;  ///< what a new function of that owner has
    std::optional<std::string> comment;
};

/// Reads a function that depends on the table `table_oid`.
[[nodiscard]] awaitable<function> read_function(pg::connection& conn, std::int64_t oid, std::int64_t table_oid);

}  // namespace pgeist::catalog
