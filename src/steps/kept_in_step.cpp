#include "pgeist/steps/kept_in_step.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/transaction.hpp"

namespace pgeist::steps {

namespace {

// While they are out of sight, old columns have other names.
constexpr const char* kept_sql = R"sql(
    WITH expanded AS MATERIALIZED (
        SELECT id, blueprint::jsonb AS plan FROM pgeist.jobs WHERE kind = 'expand' AND blueprint IS NOT NULL)
    SELECT e.id AS job, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table_name, c.oid::bigint AS table_oid,
           t.tgname AS trigger, a.attname AS name,
           concat_ws(' ', a.attnum, a.atttypid, format_type(a.atttypid, a.atttypmod), a.attcollation, a.attgenerated, a.attidentity,
                     pg_get_expr(d.adbin, d.adrelid)) AS definition
      FROM expanded e
      JOIN pg_class c ON c.oid = (e.plan->>'source_oid')::oid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = e.plan->>'trigger' AND t.tgenabled = 'A'
     CROSS JOIN LATERAL jsonb_array_elements(e.plan->'groups') AS g (tied)
     CROSS JOIN LATERAL jsonb_array_elements((g.tied->'olds') || (g.tied->'news')) AS k (kept)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attname = CASE WHEN (e.plan->>'trial')::bool AND e.plan->'replaced' @> jsonb_build_array(k.kept->>'name')
                            THEN (e.plan->>'job_schema') || '_' ELSE '' END || (k.kept->>'name')
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     ORDER BY e.id, a.attnum)sql";

std::string hint_of(std::int64_t job) {
    return fmt::format(
        "end that first: pgeist contract {0} drops the old columns, pgeist cleanup {0} takes the new ones away; or "
        "leave the column as it is until then",
        job);
}

obstacle breach_of(const kept_column& what, const std::string& deed) {
    obstacle found;
    found.message = fmt::format(
        "{} is expanded by job {}: {}, and every statement of the application would fail, or old and new columns "
        "would go apart",
        what.table, what.job, deed);
    found.hint = hint_of(what.job);
    return found;
}

/// What a clause does to a column that is kept in step; empty: nothing that counts.
std::string deed_of(const ddl::clause& each) {
    using kind = ddl::clause_kind;
    switch (each.kind) {
        case kind::drop_column:
            return "this drops";
        case kind::rename_column:
            return "this renames";
        case kind::alter_type:
            return "this changes the type of";
        case kind::set_default:
        case kind::drop_default:
        case kind::add_identity:
        case kind::drop_identity:
        case kind::set_expression:
        case kind::drop_expression:
            return "this changes the default, by which the trigger knows what a statement has given, of";
        default:
            return "";
    }
}

bool touches_trigger(const ddl::statement& whole, const ddl::clause& each, const std::string& trigger) {
    using kind = ddl::clause_kind;
    const bool switches = each.kind == kind::disable_trigger || each.kind == kind::enable_trigger;
    // ENABLE ALWAYS is what it is already.
    const bool always = each.kind == kind::enable_trigger && each.text.find("ALWAYS") != std::string::npos;
    const bool renames = each.kind == kind::rename && whole.object == ddl::object_kind::trigger;
    return (switches && !always && (each.name == trigger || !each.word.empty())) || (renames && each.name == trigger);
}

awaitable<void> read_kept(pg::connection& session, std::vector<kept_column>& into) {
    const bool readable = co_await job::has_readable_jobs(session);
    if (!readable) {
        co_return;
    }
    // Jobs had no kinds before there were expansions.
    const pg::result there = co_await session.query(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('pgeist.jobs') AND attname = 'kind')");
    if (there.boolean(0, 0)) {
        into = co_await kept_columns(session);
    }
}

}  // namespace

awaitable<std::vector<kept_column>> kept_columns(pg::connection& session) {
    std::vector<kept_column> all;
    const pg::result found = co_await session.query(kept_sql);
    for (int row = 0; row < found.rows(); ++row) {
        kept_column& each = all.emplace_back();
        each.job = found.integer(row, "job");
        each.table = found.text(row, "table_name");
        each.table_oid = found.integer(row, "table_oid");
        each.trigger = found.text(row, "trigger");
        each.name = found.text(row, "name");
        each.definition = found.text(row, "definition");
    }
    co_return all;
}

std::optional<obstacle> find_breach(const ddl::statement& what, const std::string& table,
                                    const std::vector<kept_column>& kept) {
    const bool drops_triggers = what.kind == ddl::statement_kind::drop && what.object == ddl::object_kind::trigger;
    for (const kept_column& column : kept) {
        if (column.table != table) {
            continue;
        }
        if (drops_triggers && std::find(what.names.begin(), what.names.end(), column.trigger) != what.names.end()) {
            return breach_of(column, "this drops the trigger that keeps its columns in step");
        }
        for (const ddl::clause& each : what.clauses) {
            const std::string deed = deed_of(each);
            if (!deed.empty() && each.name == column.name) {
                return breach_of(column, fmt::format("{} column {}, which its trigger keeps in step", deed,
                                                     display_identifier(column.name)));
            }
            if (touches_trigger(what, each, column.trigger)) {
                return breach_of(column, "this switches off the trigger that keeps its columns in step");
            }
        }
    }
    return std::nullopt;
}

awaitable<void> refuse_breaches(pg::connection& session, choice& made) {
    std::vector<kept_column> kept;
    const auto reading = [&] { return read_kept(session, kept); };
    co_await pg::rolled_back(session, reading);
    if (kept.empty()) {
        co_return;
    }
    for (const step& each : made.steps) {
        if (each.how == method::nothing) {
            continue;
        }
        auto found = find_breach(ddl::understand(each.statement), each.table, kept);
        if (found) {
            found->line = each.line;
            made.refusals.push_back(std::move(*found));
        }
    }
}

awaitable<void> require_kept(pg::connection& session, std::vector<kept_column> before) {
    if (before.empty()) {
        co_return;
    }
    const std::vector<kept_column> now = co_await kept_columns(session);
    for (const kept_column& each : before) {
        const bool same = std::any_of(now.begin(), now.end(), [&](const kept_column& other) {
            return other.job == each.job && other.name == each.name && other.definition == each.definition;
        });
        if (same) {
            continue;
        }
        const pg::result table =
            co_await session.query("SELECT FROM pg_class WHERE oid = $1::bigint::oid", each.table_oid);
        if (!table.empty()) {
            const obstacle found = breach_of(each, fmt::format("this drops or changes column {}, or the trigger that "
                                                               "keeps it in step",
                                                               display_identifier(each.name)));
            throw error(exit_code::refused, found.message, found.hint);
        }
    }
}

}  // namespace pgeist::steps
