// Columns: added with constraints that rows must satisfy, and changed in type where the rows stay as they are.

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "recipes.hpp"

namespace pgeist::steps {

namespace {

using ddl::token;

/// A CHECK behind a new column: where it stands in the clause's text, from its CONSTRAINT on.
struct inline_check {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool found = false;
    bool several = false;
};

std::size_t behind_parentheses(const std::vector<token>& tokens, std::size_t at) {
    int depth = 0;
    do {
        depth += tokens[at].is_sign('(') ? 1 : 0;
        depth -= tokens[at].is_sign(')') ? 1 : 0;
        ++at;
    } while (at < tokens.size() && depth > 0);
    return at;
}

inline_check find_check(const std::string& text) {
    inline_check made;
    const auto tokens = ddl::tokens_of(text);
    for (std::size_t at = 0; at < tokens.size();) {
        if (tokens[at].is_sign('(')) {
            at = behind_parentheses(tokens, at);
            continue;
        }
        if (tokens[at].is("check") && at + 1 < tokens.size() && tokens[at + 1].is_sign('(')) {
            made.several = made.found;
            made.found = true;
            const bool named = at >= 2 && tokens[at - 2].is("constraint");
            made.begin = tokens[named ? at - 2 : at].begin;
            at = behind_parentheses(tokens, at + 1);
            if (at + 1 < tokens.size() && tokens[at].is("no") && tokens[at + 1].is("inherit")) {
                at += 2;
            }
            made.end = tokens[at - 1].end;
            continue;
        }
        ++at;
    }
    return made;
}

}  // namespace

std::optional<recipe> add_column(const part& of, const ddl::clause& each) {
    using kind = ddl::constraint_kind;
    const auto heavy = [](const ddl::constraint& one) {
        return one.kind == kind::unique || one.kind == kind::primary_key || one.kind == kind::foreign_key ||
               one.kind == kind::generated || one.kind == kind::identity;
    };
    const ddl::constraint* check = each.added ? each.added->find(kind::check) : nullptr;
    const inline_check where = find_check(each.text);
    if (!of.does.rewrites.empty() || !of.does.builds.empty() || each.if_exists || check == nullptr || !where.found ||
        where.several || std::any_of(each.added->constraints.begin(), each.added->constraints.end(), heavy)) {
        return std::nullopt;
    }
    const std::string head = head_of(of.what);
    const std::string column = each.text.substr(0, where.begin) + each.text.substr(where.end);
    std::string constraint = each.text.substr(where.begin, where.end - where.begin);
    if (check->name.empty()) {  // as the server names one that stands behind its column
        const qualified_name table = parse_qualified_name(of.before.name_of(of.what.relation));
        constraint = fmt::format("CONSTRAINT {} {}", quote_identifier(ddl::made_name(table.name, {each.name}, "check")),
                                 constraint);
    }
    recipe made;
    made.how = method::validate;
    made.why = "existing rows are checked while others read and write";
    action first = transaction_of("adding it for new rows", {head + column, head + "ADD " + constraint + " NOT VALID"},
                                  locks_of(of.does));
    first.take_back.push_back(fmt::format("{}DROP COLUMN IF EXISTS {}", head, quote_identifier(each.name)));
    made.actions.push_back(std::move(first));
    made.actions.push_back(validation_of(of, std::string(made_constraint)));
    return made;
}

namespace {

// The valid CHECKs over a column, as they read before its type is changed; heirs have them of their parents.
constexpr const char* checks_sql = R"sql(
    SELECT k.conname, pg_get_constraintdef(k.oid) AS definition, k.convalidated, k.conislocal AND k.coninhcount = 0 AS own,
           obj_description(k.oid, 'pg_constraint') AS comment
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND k.contype = 'c' AND k.convalidated
     ORDER BY k.conname)sql";

constexpr const char* has_heirs_sql = R"sql(
    SELECT c.relhassubclass OR c.relispartition
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)sql";

}  // namespace

awaitable<std::optional<recipe>> alter_type(pg::connection& session, const part& of, const ddl::clause& each) {
    std::optional<recipe> made;
    const qualified_name table = parse_qualified_name(of.before.name_of(of.what.relation));
    // Where indexes are built there is no gentle way: the old ones are no good for the new type.
    if (!of.does.rewrites.empty() || !of.does.builds.empty()) {
        co_return made;
    }
    const pg::result heirs = co_await session.query(has_heirs_sql, table.schema, table.name);
    if (heirs.empty() || heirs.boolean(0, 0)) {
        co_return made;
    }
    const pg::result checks = co_await session.query(checks_sql, table.schema, table.name, each.name);
    if (checks.empty()) {
        co_return made;
    }
    recipe change = plain(of);
    change.how = method::validate;
    change.why = "the rows stay as they are, and the CHECKs over the column are validated while others read and write";
    std::vector<std::string> before;
    std::vector<std::string> after;
    std::vector<action> validations;
    for (int row = 0; row < checks.rows(); ++row) {
        if (!checks.boolean(row, "own")) {
            co_return made;
        }
        const std::string name = quote_identifier(checks.text(row, "conname"));
        before.push_back(fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", table.sql(), name));
        after.push_back(fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID", table.sql(), name,
                                    checks.text(row, "definition")));
        if (const auto comment = checks.optional_text(row, "comment")) {
            after.push_back(
                fmt::format("COMMENT ON CONSTRAINT {} ON {} IS {}", name, table.sql(), quote_literal(*comment)));
        }
        validations.push_back(validation_of(of, name));
    }
    action& first = change.actions.front();
    first.label = "changing the type";
    first.statements.insert(first.statements.begin(), before.begin(), before.end());
    first.statements.insert(first.statements.end(), after.begin(), after.end());
    change.actions.insert(change.actions.begin() + 1, validations.begin(), validations.end());
    made = std::move(change);
    co_return made;
}

}  // namespace pgeist::steps
