#include <fmt/format.h>

#include "pgeist/catalog/function.hpp"
#include "rebind.hpp"
#include "sql.hpp"

// Functions whose body was parsed when they were made (BEGIN ATOMIC), and functions that take or give the table's row
// type. The former are replaced in place; the latter are other functions for PostgreSQL and have to be made anew.
namespace pgeist::shadow {

namespace {

void require_rebindable(const rebinding& what, const catalog::bound_object& object, const catalog::function& found) {
    if (found.definition.empty()) {
        refuse_object(what, object.name, "it is an aggregate over the table's row type",
                      fmt::format("drop {} for the time of the run and make it again afterwards", object.name));
    }
    if (!found.owned) {
        refuse_object(what, object.name, fmt::format("it belongs to {}", display_identifier(found.owner)),
                      "run as a role that has the rights of its owner");
    }
    if (found.of_row_type && !found.users.empty()) {
        refuse_object(what, object.name,
                      fmt::format("it takes or gives the table's row type, and {} depends on it", found.users),
                      "drop what depends on it for the time of the run and make it again afterwards");
    }
}

/// The function's statements are one script: it may use a bare name of the source's schema.
void make_anew(rebinding& what, const catalog::bound_object& object, const catalog::function& found) {
    what.into.before_move.push_back(at_home(what, object.name, "DROP ROUTINE " + found.signature));
    const std::string routine = "ROUTINE " + found.signature;
    what.into.after_move.push_back(at_home(what, object.name, found.definition));
    what.into.after_move.push_back(
        at_home(what, object.name, fmt::format("ALTER {} OWNER TO {}", routine, quote_identifier(found.owner))));
    for (const auto& each : change_rights(routine, "", found.acl, found.implied_acl, found.owner, true)) {
        what.into.after_move.push_back(at_home(what, each.label, each.sql));
    }
    if (found.comment) {
        what.into.after_move.push_back(at_home(what, object.name, comment_on(routine, *found.comment).sql));
    }
}

}  // namespace

awaitable<void> rebind_function(rebinding& what, catalog::bound_object object) {
    co_await require_same_columns(what, "pg_proc", object);
    const auto found =
        co_await catalog::read_function(what.at.conn, object.oid, what.at.source.oid, home_path(what.at));
    require_rebindable(what, object, found);
    if (found.of_row_type) {
        make_anew(what, object, found);
    } else {
        what.into.after_move.push_back(at_home(what, object.name, found.definition));
    }
}

}  // namespace pgeist::shadow
