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
    if (found.of_row_type && !found.extension.empty()) {
        refuse_object(what, object.name, "it belongs to extension " + display_identifier(found.extension),
                      "drop the extension for the time of the run");
    }
    require_own_grants(what, object.name, found.acl, found.owner);
    if (found.of_row_type && !found.users.empty()) {
        refuse_object(what, object.name,
                      fmt::format("it takes or gives the table's row type, and {} depends on it", found.users),
                      "drop what depends on it for the time of the run and make it again afterwards");
    }
}

/// Tries the body that the server parses when the function is made; a body of text may be meant for another
/// search_path.
awaitable<void> try_body(rebinding& what, catalog::bound_object object) {
    site& at = what.at;
    std::string sql = co_await printed(at, home_path(at), "pg_catalog.pg_get_functiondef", object.oid);
    co_await begin_trial(at);
    co_await try_on_shadow(what, object.name, std::move(sql));
    co_await undo_trial(at);
}

std::string create_function(const catalog::function& found) {
    if (found.has_body) {
        return found.definition;
    }
    return fmt::format("SET LOCAL check_function_bodies TO off; {}; SET LOCAL check_function_bodies TO on",
                       found.definition);
}

void make_anew(rebinding& what, const catalog::bound_object& object, const catalog::function& found) {
    const std::string routine = "ROUTINE " + found.signature;
    auto& after_move = what.into.after_move;
    what.into.before_move.push_back({object.name, "DROP ROUTINE " + found.signature});
    after_move.push_back({object.name, create_function(found)});
    after_move.push_back({object.name, fmt::format("ALTER {} OWNER TO {}", routine, quote_identifier(found.owner))});
    for (auto& each : rights_of_new(routine, found.acl, found.implied_acl, found.owner, what.strangers)) {
        after_move.push_back(std::move(each));
    }
    if (found.comment) {
        after_move.push_back(comment_on(routine, *found.comment));
    }
}

}  // namespace

awaitable<void> rebind_function(rebinding& what, catalog::bound_object object) {
    co_await require_same_names(what, "pg_proc", object);
    const auto found = co_await catalog::read_function(what.at.conn, object.oid, what.at.source.oid);
    require_rebindable(what, object, found);
    if (found.has_body) {
        co_await try_body(what, object);
    }
    if (found.of_row_type) {
        co_await require_owner_may_create(what, object.name, found.owner, found.schema);
        make_anew(what, object, found);
    } else {
        what.into.after_move.push_back({object.name, found.definition});
    }
}

}  // namespace pgeist::shadow
