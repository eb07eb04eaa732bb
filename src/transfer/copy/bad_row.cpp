#include "pgeist/transfer/copy/bad_row.hpp"

#include <fmt/format.h>

#include "pgeist/pg/transaction.hpp"
#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/walk/boundary_finder.hpp"
#include "pgeist/walk/heap_order.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::copy {

namespace {

awaitable<void> insert_chunk(pg::connection& session, const transfer::spec& transfer, const walk::key_range& range) {
    walk::bound_sql sql = chunk_sql(transfer, range);
    co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
}

/// Runs the chunk's INSERT and rolls it back. @returns the failure, if any
awaitable<std::optional<pg::sql_error>> attempt(pg::connection& session, const transfer::spec& transfer,
                                                const walk::key_range& range) {
    std::optional<pg::sql_error> failure;
    const auto chunk = [&] { return insert_chunk(session, transfer, range); };
    try {
        co_await pg::rolled_back(session, chunk);
    } catch (const pg::sql_error& error) {
        failure = error;
    }
    co_return failure;
}

awaitable<std::int64_t> count_rows(pg::connection& session, const transfer::spec& transfer,
                                   const walk::key_range& range) {
    walk::bound_sql sql = walk::range_predicate(transfer.copy_key(), range, walk::side::read, "s");
    sql.sql = "SELECT count(*) FROM ONLY " + transfer.copied_along().sql() + " AS s" + sql.sql;
    const pg::result row = co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
    co_return row.integer(0, 0);
}

/// Narrows `range` to the first failing row. @returns false when nothing fails any more
awaitable<bool> narrow(pg::connection& session, const transfer::spec& transfer, walk::key_range& range,
                       std::optional<pg::sql_error>& why) {
    std::int64_t rows = co_await count_rows(session, transfer, range);
    while (rows > 1) {
        std::vector<walk::key_range> whole(1, range);
        const qualified_name along = transfer.copied_along();
        walk::boundary_finder finder(session, along, transfer.copy_key(), std::move(whole));
        const auto half = co_await finder.next(rows / 2);
        walk::key_range lower = range;
        lower.upper = half->upper;
        const auto failed = co_await attempt(session, transfer, lower);
        if (failed) {
            why = failed;
            range = lower;
        } else {
            range.lower = lower.upper;
        }
        const std::int64_t now = co_await count_rows(session, transfer, range);
        if (now >= rows) {
            co_return false;  // rows come in faster than the range shrinks
        }
        rows = now;
    }
    const auto failed = co_await attempt(session, transfer, range);
    if (failed) {
        why = failed;
    }
    co_return failed.has_value();
}

/// `id = 42`, and the read side's values of columns that are converted: `amount = abc`.
awaitable<std::string> describe_row(pg::connection& session, const transfer::spec& transfer,
                                    const walk::key_range& range) {
    std::vector<std::string> names;
    for (const walk::key_column& column : transfer.key.columns) {
        names.push_back(column.read_name);
    }
    const std::size_t key_columns = names.size();
    for (const transfer::column& column : transfer.columns) {
        const bool is_key = column.read_name && std::find(names.begin(), names.end(), *column.read_name) != names.end();
        if (column.read_name && column.conversion != "unchanged" && !is_key) {
            names.push_back(*column.read_name);
        }
    }
    std::vector<std::string> texts;
    for (const std::string& name : names) {
        // By the type's output function: a cast to text may be anybody's.
        texts.push_back(fmt::format("left(CASE WHEN s.{0} IS DISTINCT FROM NULL THEN format('%s', s.{0}) END, 100)",
                                    quote_identifier(name)));
    }
    walk::bound_sql sql = rows_sql(transfer, range);
    sql.sql = fmt::format("SELECT {} FROM {} LIMIT 1", join(texts, ", "), sql.sql);
    const pg::result row = co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
    std::string text;
    for (std::size_t at = 0; at < names.size() && !row.empty(); ++at) {
        const std::string value = row.optional_text(0, static_cast<int>(at)).value_or("NULL");
        text += fmt::format("{}{} = {}", at == 0 ? "" : (at == key_columns ? "; " : ", "),
                            display_identifier(names[at]), value);
    }
    co_return text;
}

std::string subject_of(const pg::diagnostics& diag) {
    if (!diag.constraint.empty()) {
        return fmt::format(", constraint {}", display_identifier(diag.constraint));
    }
    return diag.column.empty() ? std::string() : fmt::format(", column {}", display_identifier(diag.column));
}

}  // namespace

std::string what_to_do(const pg::sql_error& why) {
    std::string way_out;
    if (why.is(pg::sqlstate::check_violation) && !why.diag().constraint.empty()) {
        way_out = fmt::format(
            ", or make the constraint NOT VALID: ALTER TABLE … DROP CONSTRAINT {0}, ADD CONSTRAINT {0} CHECK (…) NOT "
            "VALID",
            display_identifier(why.diag().constraint));
    }
    return fmt::format(
        "the source table is untouched; mend the rows or the change{}; remove this job with: pgeist "
        "cleanup, and run again",
        way_out);
}

awaitable<void> throw_bad_row(transfer::workspace& work, pg::connection& session, walk::key_range range,
                              std::exception_ptr original) {
    std::optional<pg::sql_error> why;
    std::string row;
    bool found = false;
    try {
        // The worker's own settings stay: what is converted must be converted as in the copy.
        found = co_await narrow(session, work.transfer, range, why);
        if (found) {
            row = co_await describe_row(session, work.transfer, range);
        }
    } catch (const pg::sql_error&) {
        found = false;
    }
    if (!found) {
        std::rethrow_exception(original);
    }
    throw error(
        exit_code::failed,
        fmt::format("the row with {} does not fit the new definition{}: {}", row, subject_of(why->diag()), why->what()),
        what_to_do(*why));
}

}  // namespace pgeist::copy
