#include "e2e/run_test.hpp"

#include "support/leftovers.hpp"
#include "support/table_description.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {

void run_test::make_table(int rows) {
    sql().execute("CREATE TABLE public.t (id int PRIMARY KEY, note text, amount numeric, code int)");
    sql().query("INSERT INTO public.t SELECT i, 'note ' || i, i / 4.0, i * 10 FROM generate_series(1, $1::int) AS i",
                {std::to_string(rows)});
    sql().execute("ANALYZE public.t");
}

run_result run_test::run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--table", "t"});
    return command("run", std::move(arguments));
}

pgeist_process run_test::start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"run", "--output", "json", "--table", "t"});
    return {db().uri(), std::move(arguments)};
}

run_result run_test::command(const std::string& name, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), name);
    return run_pgeist(db().uri(), std::move(arguments));
}

table_state run_test::state_of(const std::string& table, const std::string& schema) {
    const std::string name = sql().identifier(schema) + "." + sql().identifier(table);
    return {table_identity(sql(), name), describe_table(sql(), schema, table), table_digest(sql(), name)};
}

void run_test::expect_unchanged(const table_state& before, const std::string& table, const std::string& schema) {
    const table_state now = state_of(table, schema);
    EXPECT_EQ(now.identity, before.identity) << "the table was replaced or rewritten";
    EXPECT_EQ(description_difference(before.description, now.description), std::vector<std::string>{});
    EXPECT_EQ(now.digest, before.digest) << "the rows have changed";
}

void run_test::wait_for_end_of_sessions() {
    wait_for("the end of pgeist's sessions", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE "
                   "'pgeist%'") == 0;
    });
}

void run_test::expect_nothing_left() { EXPECT_EQ(objects_left_behind(sql()), std::vector<std::string>{}); }

void run_test::expect_cleanup_leaves_nothing() {
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    expect_nothing_left();
}

std::string run_test::type_of(const std::string& column, const std::string& table) {
    return sql().scalar(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2",
        {table, column});
}

std::string run_test::note_of(long long id) {
    const result_set found = sql().query("SELECT note FROM public.t WHERE id = $1", {std::to_string(id)});
    if (found.rows.empty()) {
        return "no row";
    }
    return found.rows[0][0].value_or("NULL");
}

}  // namespace pgeist::test
