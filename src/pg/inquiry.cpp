#include "pgeist/pg/inquiry.hpp"

#include <algorithm>
#include <new>

#include <libpq-fe.h>

namespace pgeist::pg {

namespace {

/// For one object the text stays as it is. OFFSET 0: planned as it is for one object, whatever the planner thinks of
/// doing it for all.
std::string for_each_sql(const std::string& sql) {
    std::string inner = sql;
    for (std::size_t at = inner.find("$1"); at != std::string::npos; at = inner.find("$1", at)) {
        inner.replace(at, 2, "pgeist_of.oid");
    }
    return "SELECT pgeist_rows.*, pgeist_of.oid AS pgeist_of FROM unnest($1::bigint[]::oid[]) AS pgeist_of(oid) CROSS "
           "JOIN LATERAL (" +
           inner + " OFFSET 0) AS pgeist_rows";
}

/// No rows yet, the same columns.
result with_columns_of(const result& all) {
    pg_result* const copy = PQcopyResult(all.raw(), PG_COPYRES_ATTRS);
    if (copy == nullptr) {
        throw std::bad_alloc();
    }
    return result(copy);
}

void add_row(result& to, const result& from, int row) {
    const int place = to.rows();
    for (int column = 0; column < from.columns(); ++column) {
        const bool null = from.is_null(row, column);
        const int length = null ? -1 : PQgetlength(from.raw(), row, column);
        char* const value = null ? nullptr : PQgetvalue(from.raw(), row, column);
        if (PQsetvalue(to.raw(), place, column, value, length) == 0) {
            throw std::bad_alloc();
        }
    }
}

}  // namespace

inquiry::inquiry(connection& session, std::vector<std::int64_t> objects)
    : session_(&session), objects_(std::move(objects)) {}

awaitable<result> inquiry::ask(std::string sql, std::int64_t object) {
    const bool among = std::find(objects_.begin(), objects_.end(), object) != objects_.end();
    if (is_about_one() || !among) {
        auto alone = co_await session_->query(std::move(sql), object);
        co_return alone;
    }
    by_object& answers = kept_[sql];
    if (answers.count(object) == 0) {
        const result all = co_await session_->query(for_each_sql(sql), array_literal(objects_));
        for (const std::int64_t each : objects_) {
            answers.insert_or_assign(each, with_columns_of(all));
        }
        const int of = all.columns() - 1;
        for (int row = 0; row < all.rows(); ++row) {
            add_row(answers.at(all.integer(row, of)), all, row);
        }
    }
    result found = std::move(answers.at(object));
    answers.erase(object);
    co_return found;
}

}  // namespace pgeist::pg
