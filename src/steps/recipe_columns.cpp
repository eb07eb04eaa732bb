// Columns: added with constraints that rows must satisfy, and changed in type where the rows stay as they are.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "recipes.hpp"

namespace pgeist::steps {

namespace {

using ddl::token;

/// A CHECK behind a new column: where it stands in the clause's text, from its CONSTRAINT on.
struct inline_check {
    std::size_t begin = 0;
    std::size_t keyword_end = 0;
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

/// A UNIQUE behind a new column, from its CONSTRAINT on; everything behind it that is said of it, too. Not found where
/// something else follows.
inline_check find_unique(const std::string& text) {
    static constexpr std::array said{"nulls", "not", "distinct", "deferrable", "initially", "deferred", "immediate"};
    inline_check made;
    const auto tokens = ddl::tokens_of(text);
    for (std::size_t at = 0; at < tokens.size(); ++at) {
        if (tokens[at].is_sign('(')) {
            at = behind_parentheses(tokens, at) - 1;
            continue;
        }
        if (!made.found && tokens[at].is("unique")) {
            const bool named = at >= 2 && tokens[at - 2].is("constraint");
            made.found = true;
            made.begin = tokens[named ? at - 2 : at].begin;
            made.keyword_end = tokens[at].end;
            made.end = text.size();
            continue;
        }
        const bool of_it = std::any_of(said.begin(), said.end(), [&](const char* each) { return tokens[at].is(each); });
        made.several = made.several || (made.found && !of_it);
    }
    return made;
}

/// ADD COLUMN … UNIQUE: the column first, which no row has a value in, then the constraint by itself.
std::optional<recipe> add_unique_column(const part& of, const ddl::clause& each, const facts& known) {
    const inline_check where = find_unique(each.text);
    if (!where.found || where.several || !of.does.rewrites.empty() || each.if_exists || of.what.only) {
        return std::nullopt;
    }
    const std::string head = head_of(of.what);
    std::string rest = each.text.substr(where.keyword_end);
    // NULLS stands before the columns, DEFERRABLE behind them.
    std::string nulls;
    if (const auto tokens = ddl::tokens_of(rest); !tokens.empty() && tokens.front().is("nulls")) {
        std::size_t at = 0;
        while (at < tokens.size() && !tokens[at].is("distinct")) {
            ++at;
        }
        const std::size_t end = at < tokens.size() ? tokens[at].end : rest.size();
        nulls = rest.substr(0, end);
        rest = rest.substr(end);
    }
    part constraint = of;
    constraint.what = ddl::understand(fmt::format("{}ADD {}{} ({}){}", head,
                                                  each.text.substr(where.begin, where.keyword_end - where.begin), nulls,
                                                  quote_identifier(each.name), rest));
    if (constraint.what.clauses.size() != 1 || !constraint.what.clauses.front().made) {
        return std::nullopt;
    }
    std::optional<recipe> made = add_unique(constraint, constraint.what.clauses.front(), known);
    if (made) {
        action first =
            transaction_of("adding the column", {head + each.text.substr(0, where.begin)}, locks_of(of.does));
        first.undo = undoing::column;
        first.column = each.name;
        made->actions.insert(made->actions.begin(), std::move(first));
    }
    return made;
}

}  // namespace

std::optional<recipe> add_column(const part& of, const ddl::clause& each, const facts& known) {
    using kind = ddl::constraint_kind;
    const auto others = [](const ddl::constraint& one) {
        return one.kind == kind::check || one.kind == kind::primary_key || one.kind == kind::foreign_key ||
               one.kind == kind::generated || one.kind == kind::identity;
    };
    if (each.added && each.added->find(kind::unique) != nullptr &&
        std::none_of(each.added->constraints.begin(), each.added->constraints.end(), others)) {
        return add_unique_column(of, each, known);
    }
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
    const std::string constraint = each.text.substr(where.begin, where.end - where.begin);
    recipe made;
    made.how = method::validate;
    made.why = "existing rows are checked while others read and write";
    action first = transaction_of("adding it for new rows", {head + column, head + "ADD " + constraint + " NOT VALID"},
                                  locks_of(of.does));
    first.undo = undoing::column;
    first.column = each.name;
    made.actions.push_back(std::move(first));
    made.actions.push_back(validation_of(of, std::string(made_constraint)));
    return made;
}

namespace {

// Whether there are CHECKs over a column of a table and of what inherits it, and no rows that are elsewhere. What they
// say is read again when their turn has come.
constexpr const char* checks_sql = R"sql(
    WITH RECURSIVE tree (oid) AS (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2
        UNION SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
    SELECT EXISTS (SELECT FROM tree t JOIN pg_constraint k ON k.conrelid = t.oid
                     JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (k.conkey)
                    WHERE a.attname = $3 AND k.contype = 'c' AND k.convalidated)
       AND NOT EXISTS (SELECT FROM tree t JOIN pg_class c ON c.oid = t.oid WHERE c.relkind = 'f'))sql";

}  // namespace

awaitable<std::optional<recipe>> alter_type(pg::connection& session, const part& of, const ddl::clause& each) {
    std::optional<recipe> made;
    const qualified_name table = parse_qualified_name(of.before.name_of(of.what.relation));
    // Where indexes are built there is no gentle way: the old ones are no good for the new type.
    if (!of.does.rewrites.empty() || !of.does.builds.empty()) {
        co_return made;
    }
    const pg::result checks = co_await session.query(checks_sql, table.schema, table.name, each.name);
    if (!checks.boolean(0, 0)) {
        co_return made;
    }
    recipe change = plain(of);
    change.how = method::validate;
    change.why = "the rows stay as they are, and the CHECKs over the column are validated while others read and write";
    action& first = change.actions.front();
    first.label = "changing the type";
    first.column = each.name;
    first.checks_anew = true;
    action validation = validation_of(of, std::string(made_constraint));
    validation.statements.front() = fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", made_table, made_constraint);
    change.actions.insert(change.actions.begin() + 1, std::move(validation));
    made = std::move(change);
    co_return made;
}

}  // namespace pgeist::steps
