#include "support/workload.hpp"

#include <cstdlib>
#include <iostream>
#include <random>

#include "support/wait_for.hpp"
#include "support/workload_transaction.hpp"

namespace pgeist::test {
namespace {

bool writers_cause_each_other(const std::string& sqlstate) {
    return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "23505";
}

bool once_in(random_engine& random, int times) { return times > 0 && pick(random, 1, times) == 1; }

}  // namespace

std::uint64_t workload_seed() {
    const char* given = std::getenv("PGEIST_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::cout << "PGEIST_SEED=" << seed << std::endl;
    return seed;
}

workload::workload(const workload_shape& shape, std::uint64_t seed) : shape_(shape), seed_(seed) {}

workload::~workload() { stop(); }

void workload::add(const writer_options& options) {
    const std::uint64_t seed = seed_ + threads_.size();
    threads_.emplace_back([this, options, seed](const std::stop_token& stop) { write(stop, options, seed); });
}

void workload::wait_for_more(long long transactions) const {
    const long long wanted = committed() + transactions;
    wait_for(std::to_string(transactions) + " more transactions of the workload",
             [&] { return committed() >= wanted; });
}

workload_report workload::stop() {
    for (std::jthread& thread : threads_) {
        thread.request_stop();
    }
    threads_.clear();
    const std::lock_guard lock(mutex_);
    report_.committed = committed();
    return report_;
}

void workload::note_error(const std::string& state, const std::string& message) {
    const std::lock_guard lock(mutex_);
    if (writers_cause_each_other(state)) {
        ++report_.expected_errors[state];
    } else {
        report_.failures.push_back(state + ": " + message);
    }
}

void workload::write(const std::stop_token& stop, const writer_options& options, std::uint64_t seed) {
    random_engine random(seed);
    try {
        sync_connection connection(options.uri);
        connection.execute("SET statement_timeout = '60s'; SET lock_timeout = '30s'");
        if (options.replica_role) {
            connection.execute("SET session_replication_role = replica");
        }
        workload_transaction work(connection, shape_, random, options.prepared);
        while (!stop.stop_requested()) {
            try {
                one_transaction(connection, work, options, random);
            } catch (const sql_error& error) {
                note_error(error.sqlstate(), error.what());
                connection.execute("ROLLBACK");
            }
        }
    } catch (const std::exception& error) {
        note_error("", error.what());  // connection lost: nothing of the workload's own does that
    }
}

void workload::one_transaction(sync_connection& connection, workload_transaction& work, const writer_options& options,
                               random_engine& random) {
    connection.execute("BEGIN ISOLATION LEVEL " + options.isolation);
    if (truncations_ < options.most_truncations && once_in(random, options.one_truncate_in)) {
        ++truncations_;
        work.truncate();
    }
    for (long long operations = pick(random, 1, 4); operations > 0; --operations) {
        work.any_operation();
    }
    if (once_in(random, options.one_long_in)) {
        connection.query("SELECT pg_sleep($1::float8)", {std::to_string(pick(random, 3, 20)) + "e-1"});
        work.any_operation();
    }
    const bool commit = chance(random, 90);
    connection.execute(commit ? "COMMIT" : "ROLLBACK");
    if (commit) {
        ++committed_;
    }
}

}  // namespace pgeist::test
