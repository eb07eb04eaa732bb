#include <fmt/format.h>

#include "checks.hpp"
#include "pgeist/pg/result.hpp"

namespace pgeist::check {

namespace {

constexpr const char* table_rights_check = "rights";

// Giving a table to a role needs the right to become that role; servers before 16 do not tell it from membership.
constexpr const char* table_sql = R"(
    SELECT current_user AS role, pg_has_role(c.relowner, 'USAGE') AS owns, pg_has_role(c.relowner, '{become}') AS may_give,
           has_schema_privilege(c.relnamespace, 'CREATE') AS may_move,
           has_schema_privilege(c.relnamespace, 'USAGE') AS may_see, has_table_privilege(c.oid, 'SELECT') AS may_read
      FROM pg_class c WHERE c.oid = $1)";

constexpr const char* other_sql = R"(
    SELECT pg_has_role(relowner, 'USAGE') AS owns, has_schema_privilege(relnamespace, 'USAGE') AS may_see,
           (SELECT bool_and(has_column_privilege(c.oid, k, 'REFERENCES')) FROM unnest($2::text[]) AS k) AS may_reference
      FROM pg_class c WHERE oid = $1)";

void refuse_unseen(const subject& what, const catalog::foreign_key& key, const std::string& schema, findings& into) {
    refuse(into, table_rights_check,
           fmt::format("foreign key {} needs the right USAGE on schema {}", display_identifier(key.name),
                       display_identifier(schema)),
           fmt::format("GRANT USAGE ON SCHEMA {} TO {}", quote_identifier(schema), quote_identifier(what.conn.user())));
}

awaitable<void> check_led_key(const subject& what, const catalog::foreign_key& key, findings& into) {
    const auto rows = co_await what.conn.query(other_sql, key.table_oid, pg::array_literal(key.columns));
    if (!rows.empty() && !rows.boolean(0, "owns")) {
        refuse(into, table_rights_check,
               fmt::format("foreign key {} of {} must be led to the new table, and only its owner may do that",
                           display_identifier(key.name), key.table.display()),
               "connect as a role that is a member of the owners of both tables");
    }
    if (!rows.empty() && !rows.boolean(0, "may_see")) {
        refuse_unseen(what, key, key.table.schema, into);
    }
}

awaitable<void> check_own_key(const subject& what, const catalog::foreign_key& key, findings& into) {
    const auto rows =
        co_await what.conn.query(other_sql, key.referenced_oid, pg::array_literal(key.referenced_columns));
    if (!rows.empty() && !rows.boolean(0, "may_see")) {
        refuse_unseen(what, key, key.referenced.schema, into);
    }
    if (!rows.empty() && !rows.boolean(0, "may_reference")) {
        refuse(
            into, table_rights_check,
            fmt::format("foreign key {} needs the right REFERENCES on {}", display_identifier(key.name),
                        key.referenced.display()),
            fmt::format("GRANT REFERENCES ON {} TO {}", key.referenced.display(), quote_identifier(what.conn.user())));
    }
}

awaitable<void> check_foreign_key_rights(const subject& what, findings& into) {
    for (const auto* keys : {&what.source->referenced_by, &what.source->ancestors_referenced_by}) {
        for (const auto& key : *keys) {
            co_await check_led_key(what, key, into);
        }
    }
    for (const auto* keys : {&what.source->foreign_keys, &what.source->inherited_foreign_keys}) {
        for (const auto& key : *keys) {
            co_await check_own_key(what, key, into);
        }
    }
}

}  // namespace

awaitable<void> check_table_rights(const subject& what, findings& into) {
    const char* become = what.conn.server_major() >= 16 ? "SET" : "MEMBER";
    const auto rows = co_await what.conn.query(fmt::format(table_sql, fmt::arg("become", become)), what.source->oid);
    const std::string shown = what.source->name.display();
    const std::string role = quote_identifier(rows.text(0, "role"));
    const std::string owner = quote_identifier(what.source->owner);
    if (!rows.boolean(0, "owns") || !rows.boolean(0, "may_give")) {
        refuse(into, table_rights_check,
               fmt::format("{} belongs to {}, and role {} is no member of it", shown, owner, role),
               fmt::format("connect as the owner, or GRANT {} TO {}", owner, role));
    } else if (!rows.boolean(0, "may_read")) {
        refuse(into, table_rights_check, fmt::format("role {} may not read {}", role, shown),
               fmt::format("GRANT SELECT ON {} TO {}", shown, role));
    }
    if (!rows.boolean(0, "may_see") || !rows.boolean(0, "may_move")) {
        const std::string schema = display_identifier(what.source->name.schema);
        refuse(into, table_rights_check,
               fmt::format("role {} may not create tables in schema {}, where the new table goes", role, schema),
               fmt::format("GRANT CREATE ON SCHEMA {} TO {}", schema, role));
    }
    co_await check_foreign_key_rights(what, into);
}

}  // namespace pgeist::check
