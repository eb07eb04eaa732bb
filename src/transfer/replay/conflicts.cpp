#include <fmt/format.h>

#include "keeper.hpp"
#include "pgeist/pg/result.hpp"
#include "pgeist/walk/key_sql.hpp"
#include "pgeist/walk/key_values.hpp"

// Rows that are in each other's way under a unique or exclusion constraint of the write side. The server names one of
// them; all are wanted, since none is to be preferred. So the rows of the batch are put where there is no constraint,
// and joined with each other and with the write side by what the constraints compare.

namespace pgeist::replay {

namespace {

/// A unique index or an exclusion constraint.
struct rule {
    std::string index;
    std::string predicate;               ///< empty: all rows
    std::vector<std::string> keys;       ///< SQL over the table's columns, with their collations
    std::vector<std::string> operators;  ///< that are all true for rows in each other's way
    bool nulls_too = false;              ///< NULLS NOT DISTINCT
    std::string state;
};

constexpr const char* rules_sql = R"(
    SELECT c.relname AS index, coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
           coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_too,
           CASE WHEN x.conexclop IS NULL THEN '23505' ELSE '23P01' END AS state,
           ARRAY(SELECT format('(%s)', pg_get_indexdef(i.indexrelid, p, false))
                        || coalesce((SELECT format(' COLLATE %I.%I', n.nspname, l.collname)
                                       FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
                                      WHERE l.oid = i.indcollation[p - 1]), '')
                   FROM generate_series(1, i.indnkeyatts) AS p ORDER BY p) AS keys,
           ARRAY(SELECT format('OPERATOR(%s.%s)', quote_ident(n.nspname), o.oprname)
                   FROM generate_series(1, i.indnkeyatts) AS p
                   JOIN pg_operator o ON o.oid = CASE WHEN x.conexclop IS NULL THEN
                        (SELECT a.amopopr FROM pg_opclass k JOIN pg_amop a ON a.amopfamily = k.opcfamily
                            AND a.amoplefttype = k.opcintype AND a.amoprighttype = k.opcintype AND a.amopstrategy = 3
                          WHERE k.oid = i.indclass[p - 1]) ELSE x.conexclop[p] END
                   JOIN pg_namespace n ON n.oid = o.oprnamespace ORDER BY p) AS operators
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
      LEFT JOIN pg_constraint x ON x.conindid = i.indexrelid AND x.conrelid = i.indrelid AND x.conexclop IS NOT NULL
     WHERE i.indrelid = $1::bigint::oid AND (i.indisunique OR i.indisexclusion)
     ORDER BY c.relname)";

awaitable<std::vector<rule>> read_rules(pg::connection& session, std::int64_t table) {
    const pg::result rows = co_await session.query(rules_sql, table);
    std::vector<rule> all;
    for (int row = 0; row < rows.rows(); ++row) {
        rule each;
        each.index = rows.text(row, "index");
        each.predicate = rows.text(row, "predicate");
        each.keys = rows.array(row, "keys");
        each.operators = rows.array(row, "operators");
        each.nulls_too = rows.boolean(row, "nulls_too");
        each.state = rows.text(row, "state");
        if (each.keys.size() == each.operators.size()) {
            all.push_back(std::move(each));
        }
    }
    co_return all;
}

/// The statements for one rule.
class conflict_statements {
public:
    conflict_statements(const transfer::spec& transfer, const rule& of)
        : transfer_(transfer), sql_(transfer), of_(of) {}

    /// Marks rows that are in each other's way.
    [[nodiscard]] std::string mark_each_other() const {
        return mark(
            fmt::format("{} AS a JOIN {} AS x ON a.pgeist_n <> x.pgeist_n AND {}", staged(), staged(), meets()));
    }

    /// Marks rows that are in the way of one that the write side has.
    [[nodiscard]] std::string mark_newcomers() const {
        return mark(fmt::format("{} AS a CROSS JOIN LATERAL ({}) AS x", staged(), standing()));
    }

    /// Takes the latter into the batch, marked, with numbers after `last`.
    [[nodiscard]] std::string take_in(std::int64_t last) const {
        return fmt::format(
            "INSERT INTO {0} (n, {1}, lived, {2}, state, reason) SELECT {3} + row_number() OVER (), {4}, true, {5}, "
            "{6}, {7} "
            "FROM (SELECT DISTINCT x.pgeist_place FROM {8} AS a CROSS JOIN LATERAL ({9}) AS x) AS p "
            "JOIN (SELECT t.ctid AS pgeist_place, {10}, {11} FROM {12} AS t) AS y ON y.pgeist_place = p.pgeist_place",
            transfer_.batch().sql(), walk::log_columns(transfer_.key), sql_.kept_columns(), last, listed("y.k"),
            sql_.kept_columns("y."), quote_literal(of_.state), quote_literal(reason()), staged(), standing(),
            sql_.written_key("t"), sql_.written_columns("t"), transfer_.write.name.sql());
    }

private:
    [[nodiscard]] std::string reason() const {
        return fmt::format("in the way of another row under index {}", display_identifier(of_.index));
    }

    [[nodiscard]] std::string listed(const char* prefix) const {
        std::vector<std::string> items;
        for (std::size_t at = 1; at <= transfer_.key.columns.size(); ++at) {
            items.push_back(fmt::format("{}{}", prefix, at));
        }
        return join(items, ", ");
    }

    [[nodiscard]] std::string compared(const char* prefix) const {
        std::string items;
        for (std::size_t at = 1; at <= of_.keys.size(); ++at) {
            items += fmt::format(", {} AS pgeist_e{}", prefix + of_.keys[at - 1], at);
        }
        return items;
    }

    [[nodiscard]] std::string where() const {
        return of_.predicate.empty() ? "" : fmt::format(" WHERE ({})", of_.predicate);
    }

    /// The batch's rows as the write side would have them; without those that do not fit for another reason.
    [[nodiscard]] std::string staged() const {
        std::string keys;
        for (std::size_t at = 1; at <= transfer_.key.columns.size(); ++at) {
            keys += fmt::format(", x.k{0} AS pgeist_k{0}", at);
        }
        return fmt::format(
            "(SELECT t.*{} FROM (SELECT x.n AS pgeist_n{}, {} FROM {}.pgeist_stage AS x JOIN {} AS b ON b.n = x.n AND "
            "coalesce(b.state, '23505') IN ('23505', '23P01')) AS t{})",
            compared(""), keys, sql_.named_columns("x."), quote_identifier(transfer_.schema), transfer_.batch().sql(),
            where());
    }

    [[nodiscard]] std::string meets() const {
        std::vector<std::string> conditions;
        for (std::size_t at = 1; at <= of_.keys.size(); ++at) {
            const std::string both = fmt::format("a.pgeist_e{0} {1} x.pgeist_e{0}", at, of_.operators[at - 1]);
            conditions.push_back(
                of_.nulls_too ? fmt::format("({0} OR (a.pgeist_e{1} IS NULL AND x.pgeist_e{1} IS NULL))", both, at)
                              : both);
        }
        return join(conditions, " AND ");
    }

    /// A row that the write side has, and the batch has not.
    [[nodiscard]] std::string standing() const {
        const std::string in_batch = fmt::format("SELECT FROM {} AS b WHERE {}", transfer_.batch().sql(),
                                                 walk::write_equals_log(transfer_.key, "y", "b"));
        return fmt::format(
            "SELECT x.pgeist_place FROM (SELECT t.ctid AS pgeist_place, t.*{} FROM {} AS t{}) AS x WHERE {} AND NOT "
            "EXISTS "
            "(SELECT FROM {} AS y WHERE y.ctid = x.pgeist_place AND EXISTS ({}))",
            compared(""), transfer_.write.name.sql(), where(), meets(), transfer_.write.name.sql(), in_batch);
    }

    [[nodiscard]] std::string mark(const std::string& from) const {
        return fmt::format(
            "UPDATE {} AS b SET state = {}, reason = {} FROM (SELECT DISTINCT a.pgeist_n FROM {}) AS m WHERE b.n = "
            "m.pgeist_n AND b.state IS NULL",
            transfer_.batch().sql(), quote_literal(of_.state), quote_literal(reason()), from);
    }

    const transfer::spec& transfer_;
    keep_statements sql_;
    const rule& of_;
};

awaitable<void> stage_rows(pg::connection& session, const keep_statements& sql, numbers of) {
    if (sql.may_lose_keys()) {
        co_await session.query(sql.mark_lost_keys(of));
    }
    co_await session.execute(sql.stage(of));
    if (sql.can_prove_in_stage()) {
        co_await session.query(sql.mark_changed_in_stage(of));
    }
}

/// A row that cannot be converted is left out: the next attempt to insert it finds that.
awaitable<void> stage(pg::connection& session, const keep_statements& sql, numbers of) {
    std::optional<pg::sql_error> failure;
    co_await session.execute("SAVEPOINT pgeist_stage");
    try {
        co_await stage_rows(session, sql, of);
    } catch (const pg::sql_error& problem) {
        failure = problem;
    }
    if (failure && !does_not_fit(*failure)) {
        throw pg::sql_error(*failure);
    }
    if (failure) {
        co_await session.execute("ROLLBACK TO SAVEPOINT pgeist_stage");
    }
    co_await session.execute("RELEASE SAVEPOINT pgeist_stage");
    if (failure && of.end - of.first > 1) {
        const std::int64_t middle = of.first + (of.end - of.first) / 2;
        co_await stage(session, sql, numbers(of.first, middle));
        co_await stage(session, sql, numbers(middle, of.end));
    }
}

struct batch_size {
    std::int64_t last = 0;    ///< number
    std::int64_t marked = 0;  ///< rows
};

awaitable<batch_size> size_of(pg::connection& session, const transfer::spec& transfer) {
    const pg::result row =
        co_await session.query("SELECT coalesce(max(n), 0), count(state) FROM " + transfer.batch().sql());
    batch_size size;
    size.last = row.integer(0, 0);
    size.marked = row.integer(0, 1);
    co_return size;
}

awaitable<void> mark_by(pg::connection& session, const transfer::spec& transfer, const rule& by) {
    const conflict_statements sql(transfer, by);
    const batch_size before = co_await size_of(session, transfer);
    co_await session.query(sql.mark_each_other());
    co_await session.query(sql.mark_newcomers());
    co_await session.query(sql.take_in(before.last));
}

}  // namespace

awaitable<std::int64_t> mark_conflicts(pg::connection& session, const transfer::spec& transfer, std::int64_t rows) {
    const keep_statements sql(transfer);
    const batch_size before = co_await size_of(session, transfer);
    // Here the batch is joined with itself.
    co_await session.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on");
    co_await session.execute(fmt::format("DELETE FROM {}.pgeist_stage", quote_identifier(transfer.schema)));
    co_await stage(session, sql, numbers(1, rows + 1));
    // Both were empty before: the planner would join each row with all, and again, one by one. Autovacuum
    // may be at one of them just now: it is not waited for.
    co_await session.execute(fmt::format("ANALYZE (SKIP_LOCKED) {}.pgeist_stage, {}", quote_identifier(transfer.schema),
                                         transfer.batch().sql()));
    const auto rules = co_await read_rules(session, transfer.write.oid);
    for (const rule& each : rules) {
        co_await mark_by(session, transfer, each);
    }
    co_await session.query(sql.take_out_marked());
    co_await session.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off");
    const batch_size after = co_await size_of(session, transfer);
    co_return after.marked - before.marked;
}

}  // namespace pgeist::replay
