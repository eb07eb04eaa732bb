// Randomised writers of every kind against an oracle: after the swap each row is the oracle's, byte for byte, and no
// writer has met an error that writers do not cause each other. A failure is run again with its PGEIST_SEED.

#include <gtest/gtest.h>

#include <iostream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/table_rows.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

constexpr long long rows = 30000;

class workload_oracle : public run_test {
protected:
    void prepare(const workload_shape& shape) {
        sql().execute(shape.create);
        writer_ = db().create_role("writer");  // no rights on anything but the table (and the oracle)
        owner_ = db().create_role("owner");
        // On its own: after the grants, in their transaction, it could deadlock with autovacuum.
        sql().execute("ALTER TABLE public.t OWNER TO " + owner_);
        sql().execute("REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO " + writer_ +
                      "; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON public.t, public.twin TO " + writer_ +
                      "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner_ + "; GRANT CREATE ON DATABASE " +
                      db().name() + " TO " + owner_);
    }

    void add_writers(workload& load, bool prepared, int one_truncate_in = 0) {
        const std::string restricted = db().uri_as(writer_);
        load.add({.uri = restricted, .isolation = "READ COMMITTED", .prepared = prepared, .one_long_in = 200});
        load.add({.uri = restricted, .isolation = "REPEATABLE READ", .prepared = prepared, .one_long_in = 100});
        load.add({.uri = restricted, .isolation = "SERIALIZABLE", .prepared = prepared, .one_long_in = 100});
        load.add({.uri = restricted, .isolation = "READ COMMITTED", .one_truncate_in = one_truncate_in});
        load.add({.uri = db().uri(), .isolation = "READ COMMITTED", .replica_role = true});
    }

    /// Runs the change as the table's owner under the writers, and compares with the oracle.
    void change_under(workload& load, const workload_shape& shape, const std::vector<std::string>& change) {
        load.wait_for_more(100);
        std::vector<std::string> arguments{"run",   "--table",   "t", "--chunk-rows", "300", "--max-rate",
                                           "12000", "--workers", "2"};
        arguments.insert(arguments.end(), change.begin(), change.end());
        const run_result result = pgeist_process(db().uri_as(owner_), arguments).finish(std::chrono::seconds(120));
        EXPECT_TRUE(exited(result, 0));
        load.wait_for_more(100);
        const workload_report report = load.stop();
        report_to_log(report);
        EXPECT_EQ(report.failures, std::vector<std::string>{});
        EXPECT_EQ(differing_rows(sql(), shape.twin, shape.table), std::vector<std::string>{});
        expect_indexes_agree(shape);
        expect_cleanup_leaves_nothing();
        EXPECT_EQ(differing_rows(sql(), shape.twin, shape.table), std::vector<std::string>{});
    }

    /// Every row is found through the unique index too.
    void expect_indexes_agree(const workload_shape& shape) {
        const std::string with_code = " FROM " + shape.table + " WHERE code IS NOT NULL";
        sql().execute("SET enable_seqscan = off; SET enable_bitmapscan = off");
        const std::string by_index = sql().scalar("SELECT count(*) || ' ' || coalesce(sum(code), 0)" + with_code);
        sql().execute("SET enable_seqscan = on; SET enable_indexscan = off; SET enable_indexonlyscan = off");
        EXPECT_EQ(sql().scalar("SELECT count(*) || ' ' || coalesce(sum(code), 0)" + with_code), by_index);
        sql().execute("RESET ALL");
    }

    static void report_to_log(const workload_report& report) {
        std::cout << report.committed << " transactions committed;";
        for (const auto& [state, count] : report.expected_errors) {
            std::cout << ' ' << state << ": " << count;
        }
        std::cout << std::endl;
    }

private:
    std::string writer_;
    std::string owner_;
};

TEST_F(workload_oracle, int_to_bigint) {
    const workload_shape shape = integer_key_shape(rows);
    prepare(shape);
    workload load(shape, workload_seed());
    add_writers(load, false);
    change_under(load, shape, {"--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(workload_oracle, int_to_bigint_in_the_order_of_the_file) {
    const workload_shape shape = integer_key_shape(rows);
    prepare(shape);
    workload load(shape, workload_seed());
    add_writers(load, false);
    change_under(load, shape, {"--alter", "ALTER COLUMN id TYPE bigint", "--copy-order", "heap"});
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(workload_oracle, repack_with_prepared_statements) {
    const workload_shape shape = integer_key_shape(rows);
    prepare(shape);
    workload load(shape, workload_seed());
    add_writers(load, true);
    change_under(load, shape, {"--repack"});
}

TEST_F(workload_oracle, composite_key) {
    const workload_shape shape = composite_key_shape(rows);
    prepare(shape);
    workload load(shape, workload_seed());
    add_writers(load, false);
    change_under(load, shape, {"--alter", "ALTER COLUMN tenant TYPE bigint, ALTER COLUMN code TYPE bigint"});
    EXPECT_EQ(type_of("tenant"), "bigint");
}

TEST_F(workload_oracle, text_key_with_a_unique_column) {
    const workload_shape shape = text_key_shape(rows);
    prepare(shape);
    workload load(shape, workload_seed());
    add_writers(load, false);
    change_under(load, shape, {"--alter", "ALTER COLUMN code TYPE bigint"});
    EXPECT_EQ(type_of("code"), "bigint");
}

TEST_F(workload_oracle, text_key_in_the_order_of_the_file) {
    const workload_shape shape = text_key_shape(rows);
    prepare(shape);
    workload load(shape, workload_seed());
    add_writers(load, false);
    change_under(load, shape, {"--repack", "--copy-order", "heap"});
}

/// The writers change the column that orders the rows all the time.
TEST_F(workload_oracle, repack_in_an_order) {
    const workload_shape shape = integer_key_shape(rows);
    prepare(shape);
    workload load(shape, workload_seed());
    add_writers(load, false);
    change_under(load, shape, {"--repack", "--order-by", "code DESC NULLS LAST, id"});
}

TEST_F(workload_oracle, truncate_now_and_then) {
    const workload_shape shape = integer_key_shape(rows / 10);
    prepare(shape);
    workload load(shape, workload_seed());
    // Seldom enough that some stretch without one is longer than the writers' own sleeps, whose snapshots are waited
    // for.
    add_writers(load, false, 3000);
    change_under(load, shape, {"--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_EQ(type_of("id"), "bigint");
}

}  // namespace
}  // namespace pgeist::test
