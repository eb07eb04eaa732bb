#include <fmt/format.h>

#include "pgeist/catalog/function.hpp"
#include "pgeist/sql/rights.hpp"
#include "pgeist/sql/table.hpp"
#include "rebinding.hpp"

// Functions whose body was parsed when they were made (BEGIN ATOMIC), and functions that take or give the table's row
// type. The former are replaced in place; the latter are other functions for PostgreSQL and have to be made anew.
namespace pgeist::dependents {

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
    const std::string users =
        found.users.empty() && !found.views.empty() && !found.takes_row_type ? "a view" : found.users;
    if (found.of_row_type && !users.empty()) {
        refuse_object(what, object.name,
                      fmt::format("it takes or gives the table's row type, and {} depends on it", users),
                      "drop what depends on it for the time of the run and make it again afterwards");
    }
}

constexpr const char* functiondef = "pg_catalog.pg_get_functiondef";

/// Reads the function again where it is, over the tables that it has: it must use the same operators.
awaitable<void> require_reading_again(rebinding& what, std::string name, catalog::function found) {
    co_await begin_trial(what.at);
    co_await try_with(what, name, with_schemas("pg_catalog", found.operators.schemas), found.definition);
    const auto again = co_await catalog::read_operators(what.at.conn, catalog::trees::of_function(found.signature));
    co_await require_same_operators(what, name, found.operators, again);
    co_await undo_trial(what.at);
}

/// Tries the body that the server parses when the function is made, on the shadow; a body of text may be meant for
/// another search_path. Leaves the definition as the swap must write it, and the operators that it uses then.
awaitable<void> follow_to_shadow(rebinding& what, catalog::bound_object object, catalog::function& found) {
    build_context& at = what.at;
    std::string sql = co_await printed(at, home_path(at), functiondef, object.oid);
    plan::led_text text;
    text.object = object.name;
    text.text = sql;
    text.schemas = found.operators.schemas;
    text.asked = fmt::format("SELECT {}(pg_catalog.to_regprocedure({}))", functiondef, quote_literal(found.signature));
    bool as_before = false;
    if (!found.of_row_type) {
        as_before = co_await take_text_of_before(what, text);
    }
    if (as_before) {
        sql = text.text;
        found.operators.schemas = text.schemas;
    } else if (renames_columns(what) && !found.of_row_type) {
        sql = co_await printed_with_new_names(what, object.name, found.operators.schemas, sql, functiondef,
                                              std::to_string(object.oid));
    }
    co_await begin_trial(at);
    co_await try_with(what, object.name, with_schemas(shadow_path(at), found.operators.schemas), std::move(sql));
    if (!found.of_row_type) {  // that is another function
        const std::string tree = catalog::trees::of_function(found.signature);
        std::string on_shadow = co_await printed(at, "pg_catalog", functiondef, object.oid);
        const auto used = co_await catalog::read_operators(at.conn, tree);
        if (!what.retyped) {
            co_await require_same_operators(what, object.name, found.operators, used);
        }
        co_await try_with(what, object.name, with_schemas("pg_catalog", used.schemas), on_shadow);
        const auto again = co_await catalog::read_operators(at.conn, tree);
        co_await require_same_operators(what, object.name, used, again);
        found.definition = moved_home(at, on_shadow);
        found.operators = used;
    }
    co_await undo_trial(at);
}

/// A body that is parsed now may read a table under row security, which our sessions do not bypass silently: nothing is
/// read here.
std::string create_function(const catalog::function& found) {
    const char* setting = found.has_body ? "row_security" : "check_function_bodies";
    return fmt::format("SET LOCAL {} TO {}; {}; SET LOCAL {} TO {}", setting, found.has_body ? "on" : "off",
                       with_operators(found.operators.schemas, found.definition), setting,
                       found.has_body ? "off" : "on");
}

/// CREATE OR REPLACE takes them away.
void depend_again(rebinding& what, const catalog::bound_object& object, const catalog::function& found) {
    for (const auto& extension : found.extensions) {
        what.into.swap.add(plan::stage::attach,
                           {object.name, fmt::format("ALTER ROUTINE {} DEPENDS ON EXTENSION {}", found.signature,
                                                     quote_identifier(extension))});
    }
}

/// Views on it are tried with a function of the same name for the shadow's row type.
awaitable<void> lead_views(rebinding& what, catalog::bound_object object, catalog::function found) {
    build_context& at = what.at;
    overload beside;
    beside.name = object.name;
    beside.path = with_schemas(shadow_path(at), found.operators.schemas);
    beside.sql = co_await printed(at, home_path(at), functiondef, object.oid);
    beside.sql = "SET LOCAL check_function_bodies TO off; " + beside.sql + "; SET LOCAL check_function_bodies TO on";
    what.overloads.push_back(std::move(beside));
    what.views_on_overloads.insert(what.views_on_overloads.end(), found.views.begin(), found.views.end());
}

void make_anew(rebinding& what, const catalog::bound_object& object, const catalog::function& found) {
    const std::string routine = "ROUTINE " + found.signature;
    what.into.swap.add(plan::stage::detach, {object.name, "DROP ROUTINE " + found.signature});
    what.into.swap.add(plan::stage::attach, {object.name, create_function(found)});
    what.into.swap.add(plan::stage::attach,
                       {object.name, fmt::format("ALTER {} OWNER TO {}", routine, quote_identifier(found.owner))});
    what.into.swap.add_all(plan::stage::attach,
                           rights_of_new(routine, found.acl, found.implied_acl, found.owner, what.strangers));
    if (found.comment) {
        what.into.swap.add(plan::stage::attach, comment_on(routine, *found.comment));
    }
    for (const auto& each : found.labels) {
        what.into.swap.add(plan::stage::attach, {object.name, fmt::format("SECURITY LABEL FOR {} ON {} IS {}",
                                                                          quote_identifier(each.provider), routine,
                                                                          quote_literal(each.label))});
    }
}

}  // namespace

awaitable<void> rebind_function(rebinding& what, catalog::bound_object object) {
    auto found = co_await catalog::read_function(what.at.conn, object.oid, what.at.source.oid);
    require_rebindable(what, object, found);
    if (found.has_body && !found.of_row_type) {
        co_await require_none_dropped(what, "pg_proc", object);
    } else {
        co_await require_same_names(what, "pg_proc", object);
    }
    if (!found.operators.oids.empty() && !found.definition.empty()) {
        co_await require_reading_again(what, object.name, found);
    }
    if (found.has_body) {
        co_await follow_to_shadow(what, object, found);
    }
    if (found.locks_rows) {
        // Late writers meet triggers; there is nothing that would stop a late reader who locks, and no other.
        what.at.warnings.push_back(
            fmt::format("{} locks rows (FOR UPDATE, FOR SHARE) in a body that knows the table by its OID (BEGIN "
                        "ATOMIC): a call that "
                        "waits for the swap locks rows of the old table, which others can have from the new one; let "
                        "nobody call it "
                        "in that moment (--postpone-swap), or write the body as a string",
                        object.name));
    }
    if (found.of_row_type) {
        co_await require_owner_may_create(what, object.name, found.owner, found.schema);
        make_anew(what, object, found);
        if (!found.views.empty()) {
            co_await lead_views(what, object, found);
        }
    } else {
        what.into.swap.add(plan::stage::attach, {object.name, create_function(found)});
    }
    if (!found.of_row_type || !what.retyped) {  // of a row with other types it may use others
        expect_operators(what, object.name, catalog::trees::of_function(found.signature), found.operators);
    }
    depend_again(what, object, found);
}

}  // namespace pgeist::dependents
