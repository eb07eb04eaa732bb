#include "duplicates.hpp"

#include <fmt/format.h>

#include "leftovers.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::concurrently {

namespace {

constexpr int most_keys = 10;

// As the index compares them: by its own expressions, among the rows that it is about.
constexpr const char* columns_sql = R"sql(
    SELECT i.indrelid::regclass::text AS table_name,
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, false) FROM generate_series(1, i.indnkeyatts) AS n ORDER BY n) AS keys,
           coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') AS condition,
           coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_equal
      FROM pg_index i WHERE i.indexrelid = $1::bigint::oid)sql";

struct duplicates {
    std::string keys;
    std::int64_t count = 0;
};

std::string query_of(const pg::result& index) {
    const std::vector<std::string> keys = index.array(0, "keys");
    std::vector<std::string> texts;
    std::string condition = "(" + index.text(0, "condition") + ")";
    for (const std::string& each : keys) {
        texts.push_back("(" + each + ")::text");
        if (!index.boolean(0, "nulls_equal")) {
            condition += " AND (" + each + ") IS NOT NULL";
        }
    }
    return fmt::format(
        "SELECT ARRAY[{}] AS key, count(*) AS rows, count(*) OVER () AS all FROM {} WHERE {} GROUP BY {} "
        "HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT {}",
        join(texts, ", "), index.text(0, "table_name"), condition, join(keys, ", "), most_keys);
}

awaitable<duplicates> find_duplicates(pg::connection& session, std::int64_t index_oid) {
    duplicates found;
    const pg::result index = co_await session.query(columns_sql, index_oid);
    if (index.empty()) {
        co_return found;
    }
    const pg::result rows = co_await session.execute(query_of(index));
    for (int row = 0; row < rows.rows(); ++row) {
        const std::vector<std::string> key = rows.array(row, "key");
        found.keys += fmt::format("{}({}) {} times", row == 0 ? "" : ", ", join(key, ", "), rows.integer(row, "rows"));
        found.count = rows.integer(row, "all");
    }
    if (found.count > rows.rows()) {
        found.keys += ", …";
    }
    co_return found;
}

awaitable<duplicates> look_for_duplicates(pg::connection& session, std::int64_t job, const entry& about) {
    duplicates found;
    const std::vector<entry> stored = co_await load(session, job);
    for (const entry& each : stored) {
        if (each.key() != about.key()) {
            continue;
        }
        const std::vector<leftover> left = co_await find_leftovers(session, each);
        if (!left.empty()) {
            found = co_await find_duplicates(session, left.front().oid);
        }
    }
    co_return found;
}

std::string name_of(const entry& about) { return about.name.display(); }

}  // namespace

awaitable<std::exception_ptr> explain(pg::connection& session, job::tenure mine, const entry& about,
                                      std::exception_ptr failure) {
    std::optional<pg::sql_error> violation;
    try {
        std::rethrow_exception(failure);
    } catch (const pg::sql_error& problem) {
        if (problem.is(pg::sqlstate::unique_violation)) {
            violation = problem;
        }
    } catch (...) {
        co_return failure;
    }
    if (!violation) {
        co_return failure;
    }
    duplicates found;
    try {
        found = co_await look_for_duplicates(session, mine.job, about);
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
    }
    std::string what = violation->what();  // they may have gone meanwhile
    if (found.count > 0) {
        what = fmt::format("{} {} more than once: {}", format_count(found.count),
                           found.count == 1 ? "key is there" : "keys are there", report::one_line(found.keys));
    }
    co_return std::make_exception_ptr(
        error(exit_code::failed, fmt::format("the rows do not fit unique index {}: {}", name_of(about), what),
              "the index was taken back; mend the rows, then go on with: pgeist resume JOB"));
}

}  // namespace pgeist::concurrently
