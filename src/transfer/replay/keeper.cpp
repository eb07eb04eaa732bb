#include "keeper.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cut_in_two.hpp"
#include "pgeist/pg/result.hpp"
#include "pgeist/transfer/touched.hpp"

namespace pgeist::replay {

namespace {

/// Places of rows to be deleted are kept in memory: so many at once.
constexpr std::int64_t rows_at_once = 200'000;

bool is_conflict(const pg::sql_error& failure) {
    return failure.is(pg::sqlstate::unique_violation) || failure.is(pg::sqlstate::exclusion_violation);
}

class keeper {
public:
    keeper(pg::connection& session, const transfer::spec& transfer, selection rows)
        : session_(session), transfer_(transfer), sql_(transfer), rows_(rows) {}

    [[nodiscard]] awaitable<std::int64_t> run();

private:
    [[nodiscard]] bool is_whole() const { return !rows_.within && rows_.part.count == 1; }
    [[nodiscard]] awaitable<void> widen();
    [[nodiscard]] awaitable<bool> replace_plainly();
    [[nodiscard]] awaitable<void> replace_all();
    [[nodiscard]] awaitable<void> keep();
    [[nodiscard]] awaitable<void> fill();
    [[nodiscard]] awaitable<void> insert(numbers of);
    [[nodiscard]] awaitable<void> insert_apart(numbers of, pg::sql_error failure);
    [[nodiscard]] awaitable<std::optional<pg::sql_error>> attempt(numbers of);
    [[nodiscard]] awaitable<void> try_rows(numbers of);
    [[nodiscard]] awaitable<void> mark(std::int64_t number, const pg::sql_error& failure);
    template <class Body>
    [[nodiscard]] awaitable<std::optional<pg::sql_error>> in_savepoint(const Body& body);

    pg::connection& session_;
    const transfer::spec& transfer_;
    keep_statements sql_;
    selection rows_;
    std::int64_t count_ = 0;
    bool links_ = false;
    bool conflicts_ = false;
    bool unfit_ = false;
    bool conflicts_told_ = false;  ///< nothing more is to be found about who is in whose way
};

/// @returns why `body` failed, when the data is at fault; then nothing of it is left
template <class Body>
awaitable<std::optional<pg::sql_error>> keeper::in_savepoint(const Body& body) {
    std::optional<pg::sql_error> failure;
    co_await session_.execute("SAVEPOINT pgeist_attempt");
    try {
        co_await body();
    } catch (const pg::sql_error& problem) {
        failure = problem;
    }
    if (failure && !does_not_fit(*failure)) {
        throw pg::sql_error(*failure);
    }
    if (failure) {
        co_await session_.execute("ROLLBACK TO SAVEPOINT pgeist_attempt");
    }
    co_await session_.execute("RELEASE SAVEPOINT pgeist_attempt");
    co_return failure;
}

awaitable<void> keeper::widen() {
    const pg::result found = co_await session_.query(sql_.look());
    links_ = found.boolean(0, "links");
    conflicts_ = found.boolean(0, "conflicts");
    unfit_ = found.boolean(0, "unfit");
    if (!links_ && !conflicts_) {
        co_return;
    }
    if (rows_.part.count > 1) {
        throw cut_in_two(links_ ? "keys were changed" : "rows are in each other's way");
    }
    rows_ = selection();
}

awaitable<void> keeper::replace_all() {
    co_await delete_rows(session_, transfer_, rows_);
    co_await session_.query(insert_sql(transfer_, rows_));
}

/// Where there is nothing to keep and nothing has been set apart. @returns whether all rows fitted
awaitable<bool> keeper::replace_plainly() {
    if (transfer_.mode == transfer::replay_mode::keep || unfit_) {
        co_return false;
    }
    co_await session_.execute("SET CONSTRAINTS ALL IMMEDIATE");
    const auto all = [&] { return replace_all(); };
    const auto failure = co_await in_savepoint(all);
    if (failure && is_conflict(*failure) && !is_whole()) {
        throw pg::sql_error(*failure);
    }
    co_return !failure;
}

awaitable<void> keeper::fill() {
    if (!links_ && !conflicts_) {
        const pg::result filled = co_await session_.query(sql_.fill(rows_));
        count_ = filled.affected();
        co_return;
    }
    if (transfer_.mode == transfer::replay_mode::keep) {
        co_await session_.execute(sql_.note_arrivals());
    }
    const pg::result filled = co_await session_.query(sql_.fill_by_links());
    count_ = filled.affected();
}

awaitable<void> keeper::keep() {
    // What is asked at the commit only would be asked too late.
    co_await session_.execute("SET CONSTRAINTS ALL IMMEDIATE");
    co_await fill();
    for (std::int64_t first = 1; first <= count_; first += rows_at_once) {
        const numbers part(first, first + rows_at_once);
        co_await session_.query(sql_.take_out(part));
        if (unfit_) {
            co_await session_.query(sql_.take_out_unfit(part));
        }
    }
    if (count_ > 0) {
        co_await insert(numbers(1, count_ + 1));
    }
    co_await session_.query(sql_.set_apart());
    if (transfer::logs_touched(transfer_)) {
        co_await session_.query(sql_.forget_since());
        co_await session_.query(sql_.remember_since());
    }
    co_await session_.execute(sql_.empty());
}

awaitable<std::int64_t> keeper::run() {
    co_await widen();
    const bool done = co_await replace_plainly();
    if (!done) {
        co_await keep();
    }
    if (links_) {
        std::string forget =
            fmt::format("DELETE FROM {0} WHERE transaction IN (SELECT transaction FROM {1}); DELETE FROM {1}",
                        transfer_.births().sql(), transfer_.links().sql());
        co_await session_.execute(std::move(forget));
    }
    const pg::result forgotten = co_await session_.query(forget_sql(transfer_, rows_));
    co_return forgotten.affected();
}

awaitable<void> keeper::try_rows(numbers of) {
    if (sql_.may_lose_keys()) {
        co_await session_.query(sql_.mark_lost_keys(of));
    }
    co_await session_.query(sql_.insert_lived(of));
    co_await session_.query(sql_.insert_new(of));
    if (!sql_.proves()) {
        co_return;
    }
    const pg::result marked = co_await session_.query(sql_.mark_changed(of));
    if (marked.affected() > 0) {
        co_await session_.query(sql_.take_out_marked());
    }
}

awaitable<std::optional<pg::sql_error>> keeper::attempt(numbers of) {
    const auto rows = [&] { return try_rows(of); };
    auto failure = co_await in_savepoint(rows);
    co_return failure;
}

awaitable<void> keeper::mark(std::int64_t number, const pg::sql_error& failure) {
    std::string reason = failure.diag().message;
    if (!failure.diag().constraint.empty() && reason.find(failure.diag().constraint) == reason.npos) {
        reason += fmt::format(" (constraint {})", display_identifier(failure.diag().constraint));
    }
    std::string sql =
        fmt::format("UPDATE {} SET state = $1, reason = $2 WHERE n = $3::bigint", transfer_.batch().sql());
    co_await session_.query(std::move(sql), failure.sqlstate(), reason, number);
}

awaitable<void> keeper::insert(numbers of) {
    const auto failure = co_await attempt(of);
    if (failure) {
        co_await insert_apart(of, *failure);
    }
}

/// `of` failed as a whole.
awaitable<void> keeper::insert_apart(numbers of, pg::sql_error failure) {
    if (is_conflict(failure) && !conflicts_told_) {
        if (!is_whole()) {
            throw pg::sql_error(failure);  // the rest of the log may have what clears the way
        }
        const std::int64_t marked = co_await mark_conflicts(session_, transfer_, count_);
        conflicts_told_ = marked == 0;
        unfit_ = true;
        co_await insert(of);
        co_return;
    }
    if (of.end - of.first > 1) {
        const std::int64_t middle = of.first + (of.end - of.first) / 2;
        co_await insert(numbers(of.first, middle));
        co_await insert(numbers(middle, of.end));
        co_return;
    }
    co_await mark(of.first, failure);
}

}  // namespace

bool does_not_fit(const pg::sql_error& failure) {
    // 54: a value too large for an index; 0A: NaN for an integer; 21, 38, 39: what functions of the user's meet.
    const bool otherwise = failure.in_class("54") || failure.in_class("0A") || failure.in_class("21") ||
                           failure.in_class("38") || failure.in_class("39");
    return !failure.poisons_connection() && (failure.blames_data() || otherwise);
}

awaitable<std::int64_t> apply_keeping(pg::connection& session, const transfer::spec& transfer, selection rows) {
    keeper batch(session, transfer, rows);
    const std::int64_t taken = co_await batch.run();
    co_return taken;
}

}  // namespace pgeist::replay
