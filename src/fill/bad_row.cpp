#include "bad_row.hpp"

#include <optional>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/walk/boundary_finder.hpp"
#include "statements.hpp"

namespace pgeist::fill {

namespace {

awaitable<void> write(pg::connection& session, const spec& of, const walk::key_range& range) {
    walk::bound_sql sql = statements(of).write(range, locked_rows::skip);
    co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
    co_await session.execute(check_deferred);
}

/// @returns the failure, if any
awaitable<std::optional<pg::sql_error>> attempt(pg::connection& session, const spec& of, const walk::key_range& range) {
    std::optional<pg::sql_error> failure;
    const auto chunk = [&] { return write(session, of, range); };
    try {
        co_await pg::rolled_back(session, chunk);
    } catch (const pg::sql_error& error) {
        failure = error;
    }
    co_return failure;
}

awaitable<std::int64_t> count_rows(pg::connection& session, const spec& of, const walk::key_range& range) {
    walk::bound_sql sql = statements(of).count(range);
    const pg::result row = co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
    co_return row.integer(0, 0);
}

/// Narrows `range` to the first failing row. @returns what it fails with; nothing when nothing fails any more
awaitable<std::optional<pg::sql_error>> narrow(pg::connection& session, const spec& of, walk::key_range& range) {
    const auto reach = of.partitioned ? walk::reach::with_partitions : walk::reach::only;
    std::int64_t rows = co_await count_rows(session, of, range);
    while (rows > 1) {
        std::vector<walk::key_range> whole(1, range);
        walk::boundary_finder finder(session, of.table, of.key, std::move(whole), reach);
        const auto half = co_await finder.next(rows / 2);
        walk::key_range lower = range;
        lower.upper = half->upper;
        const auto failed = co_await attempt(session, of, lower);
        if (failed) {
            range = lower;
        } else {
            range.lower = lower.upper;
        }
        const std::int64_t now = co_await count_rows(session, of, range);
        if (now >= rows) {
            co_return std::nullopt;  // rows come in faster than the range shrinks
        }
        rows = now;
    }
    auto failed = co_await attempt(session, of, range);
    co_return failed;
}

std::string subject_of(const pg::diagnostics& diag) {
    if (!diag.constraint.empty()) {
        return fmt::format(", constraint {}", display_identifier(diag.constraint));
    }
    return diag.column.empty() ? std::string() : fmt::format(", column {}", display_identifier(diag.column));
}

}  // namespace

awaitable<void> throw_bad_row(workspace& work, pg::connection& session, walk::key_range range,
                              std::exception_ptr original) {
    std::optional<pg::sql_error> why;
    std::string row;
    try {
        why = co_await narrow(session, work.spec, range);
        walk::bound_sql sql = statements(work.spec).describe(range);
        const pg::result found =
            co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
        row = found.empty() ? "" : found.text(0, 0);
    } catch (const pg::sql_error&) {
        why.reset();
    }
    if (!why || row.empty()) {
        std::rethrow_exception(original);
    }
    const bool removes = work.spec.removes();
    throw error(exit_code::failed,
                fmt::format("the row with {} cannot {}{}: {}", row, removes ? "be deleted" : "get its new value",
                            subject_of(why->diag()), why->what()),
                fmt::format("chunks that are finished stay as they are; mend the row, or leave it out with --where; go "
                            "on with: pgeist resume {}",
                            work.job));
}

}  // namespace pgeist::fill
