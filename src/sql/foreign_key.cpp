#include "pgeist/sql/foreign_key.hpp"

#include "pgeist/sql/table.hpp"
#include "pgeist/sql/trigger.hpp"
#include <fmt/format.h>

namespace pgeist::sql {

namespace {

std::string column_list(const std::vector<std::string>& columns, bool period) {
    std::vector<std::string> quoted;
    for (std::size_t at = 0; at < columns.size(); ++at) {
        const bool last = at + 1 == columns.size();
        quoted.push_back((period && last ? "PERIOD " : "") + quote_identifier(columns[at]));
    }
    return join(quoted, ", ");
}

/// The letters of pg_constraint.confupdtype and confdeltype.
std::string action_sql(char action) {
    switch (action) {
        case 'r':
            return "RESTRICT";
        case 'c':
            return "CASCADE";
        case 'n':
            return "SET NULL";
        case 'd':
            return "SET DEFAULT";
        default:
            return "NO ACTION";
    }
}

std::string actions(const catalog::foreign_key& key) {
    std::string text;
    if (key.match == 'f') {
        text += " MATCH FULL";
    }
    if (key.on_update != 'a') {
        text += " ON UPDATE " + action_sql(key.on_update);
    }
    if (key.on_delete != 'a') {
        text += " ON DELETE " + action_sql(key.on_delete);
        if (!key.delete_set_columns.empty()) {
            text += fmt::format(" ({})", column_list(key.delete_set_columns, false));
        }
    }
    if (key.deferrable) {
        text += key.deferred ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE";
    }
    return text;
}

std::string validity(const catalog::foreign_key& key, bool validated) {
    if (!key.enforced) {
        return " NOT ENFORCED";
    }
    return validated ? "" : " NOT VALID";
}

/// Without a list of columns the key is bound to the primary key. With one it is bound to the oldest unique index over
/// them, which need not be that.
std::string referenced_columns(const catalog::foreign_key& key) {
    if (key.of_primary_key && !key.period) {
        return "";
    }
    return fmt::format(" ({})", column_list(key.referenced_columns, key.period));
}

/// The key's own triggers have names of the server's making; the function tells which is which.
pg::statement set_trigger_state(const catalog::foreign_key& key, const qualified_name& table,
                                const std::string& state) {
    const auto equals = state.find('=');
    const std::string body = fmt::format(
        "DECLARE t record; BEGIN FOR t IN SELECT g.tgrelid::regclass AS relation, g.tgname FROM pg_trigger g "
        "JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_constraint c ON c.oid = g.tgconstraint "
        "WHERE c.conrelid = {}::regclass AND c.conname = {} AND p.proname = {} "
        "LOOP EXECUTE format('ALTER TABLE ONLY %s {} TRIGGER %I', t.relation, t.tgname); END LOOP; END",
        quote_literal(table.sql()), quote_literal(key.name), quote_literal(state.substr(0, equals)),
        state_sql(state.back()));
    return {fmt::format("the triggers of foreign key {} of {}", display_identifier(key.name), table.display()),
            "DO " + quote_literal(body)};
}

}  // namespace

statements add_foreign_key(const catalog::foreign_key& key, const qualified_name& table,
                           const qualified_name& referenced, bool validated) {
    const std::string name = quote_identifier(key.name);
    statements all;
    all.push_back({fmt::format("foreign key {} of {}", display_identifier(key.name), table.display()),
                   fmt::format("ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {}{}{}{}", table.sql(),
                               name, column_list(key.columns, key.period), referenced.sql(), referenced_columns(key),
                               actions(key), validity(key, validated))});
    if (key.comment) {
        all.push_back(comment_on(fmt::format("CONSTRAINT {} ON {}", name, table.sql()), *key.comment));
    }
    for (const auto& state : key.trigger_states) {
        all.push_back(set_trigger_state(key, table, state));
    }
    return all;
}

}  // namespace pgeist::sql
