// Changes of the key itself while rows are written: the walk, the log and replay must go by the key the source has,
// whatever the change makes of it.

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {
namespace {

/// public.t (k, n, note) with n = 1 … 600, copied in key order by one worker; the copy stands at n = 300.
struct key_conversion_case {
    const char* name;
    const char* key_column;              ///< definition of k
    const char* key_of;                  ///< k of the row n, as SQL over n
    std::vector<std::string> arguments;  ///< --alter …
    const char* result;                  ///< the row afterwards, as SQL over the source's columns
    const char* columns;                 ///< the same columns of the changed table
};

// GoogleTest finds it by this name.
// NOLINTNEXTLINE(readability-identifier-naming)
void PrintTo(const key_conversion_case& one, std::ostream* out) { *out << one.name; }

class key_conversion : public run_test, public ::testing::WithParamInterface<key_conversion_case> {
protected:
    std::string key(int n) {
        std::string sql = GetParam().key_of;
        for (std::size_t at = sql.find("@n"); at != std::string::npos; at = sql.find("@n", at)) {
            sql.replace(at, 2, std::to_string(n));
        }
        return sql;
    }

    std::string row(int n, const std::string& note) {
        return "(" + key(n) + ", " + std::to_string(n) + ", '" + note + "')";
    }
};

TEST_P(key_conversion, loses_nothing_written_below_in_and_above_the_copy) {
    sql().execute(std::string("CREATE TABLE public.t (k ") + GetParam().key_column + ", n int NOT NULL, note text)");
    std::string rows;
    for (int n = 1; n <= 600; ++n) {
        rows += (n == 1 ? "" : ", ") + row(n, "note");
    }
    sql().execute("INSERT INTO public.t VALUES " + rows + "; ALTER TABLE public.t ADD PRIMARY KEY (k)");
    gate copying(db(), 1);
    copying.close();
    std::vector<std::string> arguments{"run",
                                       "--table",
                                       "t",
                                       "--chunk-rows",
                                       "50",
                                       "--workers",
                                       "1",
                                       "--set",
                                       "note = " + copying.expression("n = 300", "note")};
    arguments.insert(arguments.end(), GetParam().arguments.begin(), GetParam().arguments.end());
    pgeist_process running(db().uri(), arguments);
    copying.wait_until_reached();
    for (const int n : {10, 295, 301, 590}) {
        const std::string at = " WHERE k = " + key(n);
        sql().execute("UPDATE public.t SET note = 'changed'" + at);
    }
    for (const int n : {20, 302, 580}) {
        sql().execute("DELETE FROM public.t WHERE k = " + key(n));
    }
    for (const int n : {20, 601, 605}) {
        sql().execute("INSERT INTO public.t VALUES " + row(n, "new"));
    }
    sql().execute("UPDATE public.t SET k = " + key(610) + ", n = 610 WHERE k = " + key(30));
    sql().execute("UPDATE public.t SET k = " + key(611) + ", n = 611 WHERE k = " + key(570));
    sql().execute(std::string("CREATE TABLE public.expected AS SELECT ") + GetParam().result + " FROM public.t");
    copying.open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t", GetParam().columns), std::vector<std::string>{});
    expect_cleanup_leaves_nothing();
}

const std::vector<key_conversion_case> cases = {
    {"int_to_bigint", "int", "@n", {"--alter", "ALTER k TYPE bigint"}, "k::bigint AS k, n, note", "k, n, note"},
    {"bigint_to_int", "bigint", "@n", {"--alter", "ALTER k TYPE int"}, "k::int AS k, n, note", "k, n, note"},
    {"int_to_text", "int", "@n", {"--alter", "ALTER k TYPE text"}, "k::text AS k, n, note", "k, n, note"},
    {"text_to_int", "text", "'@n'", {"--alter", "ALTER k TYPE int USING k::int"}, "k::int AS k, n, note", "k, n, note"},
    {"order_reversed",
     "int",
     "@n",
     {"--alter", "ALTER k TYPE bigint USING -k"},
     "-k::bigint AS k, n, note",
     "k, n, note"},
    {"numeric_rounded_to_bigint",
     "numeric",
     "@n.4",
     {"--alter", "ALTER k TYPE bigint"},
     "k::bigint AS k, n, note",
     "k, n, note"},
    {"varchar_cut",
     "varchar(12)",
     "lpad('@n', 4, '0') || 'tail'",
     {"--alter", "ALTER k TYPE varchar(4) USING left(k, 4)"},
     "left(k, 4)::varchar(4) AS k, n, note",
     "k, n, note"},
    {"another_collation",
     "text COLLATE \"POSIX\"",
     "CASE WHEN @n % 2 = 0 THEN 'k' ELSE 'K' END || '@n'",
     {"--alter", "ALTER k TYPE text COLLATE \"ucs_basic\""},
     "k, n, note",
     "k, n, note"},
    {"timestamptz_to_timestamp_over_a_change_of_clocks",
     "timestamptz",
     "timestamptz '2024-10-26 00:00+00' + @n * interval '10 minutes'",
     {"--alter", "ALTER k TYPE timestamp USING k AT TIME ZONE 'UTC'"},
     "k AT TIME ZONE 'UTC' AS k, n, note",
     "k, n, note"},
    {"to_uuid",
     "text",
     "md5('@n')",
     {"--alter", "ALTER k TYPE uuid USING k::uuid"},
     "k::uuid AS k, n, note",
     "k, n, note"},
    {"key_column_dropped",
     "text",
     "md5('@n')",
     {"--alter", "DROP COLUMN k, ADD PRIMARY KEY (n)"},
     "n, note",
     "n, note"},
    {"key_moved_to_another_column",
     "int",
     "1000 - @n",
     {"--alter", "DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (n)"},
     "k, n, note",
     "k, n, note"},
};

INSTANTIATE_TEST_SUITE_P(of, key_conversion, ::testing::ValuesIn(cases),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace pgeist::test
