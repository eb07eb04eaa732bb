// Files cut into statements: nothing of them may be lost, and nothing may be taken for what it is not.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pgeist/ddl/marks.hpp"
#include "pgeist/ddl/migration.hpp"
#include "pgeist/ddl/splitter.hpp"
#include "property.hpp"

namespace pgeist::ddl {
namespace {

std::vector<std::string> texts(const std::string& file) {
    std::vector<std::string> all;
    for (const piece& each : split(file).pieces) {
        all.push_back(each.text);
    }
    return all;
}

using lines = std::vector<std::string>;

TEST(splitter, semicolons_that_end_no_statement) {
    EXPECT_EQ(texts("SELECT ';'; SELECT 2"), (lines{"SELECT ';'", "SELECT 2"}));
    EXPECT_EQ(texts("SELECT E'\\';'; SELECT 2"), (lines{"SELECT E'\\';'", "SELECT 2"}));
    EXPECT_EQ(texts("SELECT 'it''s;'; SELECT 2"), (lines{"SELECT 'it''s;'", "SELECT 2"}));
    EXPECT_EQ(texts("SELECT \"a;b\"; SELECT 2"), (lines{"SELECT \"a;b\"", "SELECT 2"}));
    EXPECT_EQ(texts("SELECT $$;$$; SELECT $a$ $$;$$ $a$"), (lines{"SELECT $$;$$", "SELECT $a$ $$;$$ $a$"}));
    EXPECT_EQ(texts("SELECT a$b; SELECT c$d"), (lines{"SELECT a$b", "SELECT c$d"}));
    EXPECT_EQ(texts("SELECT $1; SELECT $2"), (lines{"SELECT $1", "SELECT $2"}));
    EXPECT_EQ(texts("SELECT 1 -- a;\n; SELECT 2"), (lines{"SELECT 1", "SELECT 2"}));
    EXPECT_EQ(texts("SELECT /* ; /* ; */ ; */ 1; SELECT 2"), (lines{"SELECT /* ; /* ; */ ; */ 1", "SELECT 2"}));
    EXPECT_EQ(texts("CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b); SELECT 2"),
              (lines{"CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)", "SELECT 2"}));
    EXPECT_EQ(
        texts("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3"),
        (lines{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
               "SELECT 3"}));
    EXPECT_EQ(texts("BEGIN; SELECT 1; END; SELECT 2"), (lines{"BEGIN", "SELECT 1", "END", "SELECT 2"}));
    EXPECT_EQ(texts(";;  ; -- nothing\n"), lines{});
}

TEST(splitter, a_comment_ends_where_the_server_ends_it) {
    // A carriage return alone ends a line for the server: what follows is run.
    EXPECT_EQ(texts("-- harmless\rDROP TABLE t;"), lines{"DROP TABLE t"});
    EXPECT_EQ(texts("/* open /* nested */ DROP TABLE t;").size(), 1U);
    EXPECT_EQ(split("/* open /* nested */ DROP TABLE t;").pieces[0].open, "comment");
}

TEST(splitter, copy_data_is_passed_over) {
    EXPECT_EQ(texts("COPY t (a) FROM stdin;\n1;\n'\n\\.\nDROP TABLE t;"),
              (lines{"COPY t (a) FROM stdin", "DROP TABLE t"}));
    EXPECT_EQ(texts("COPY t FROM STDIN WITH (FORMAT csv);\r\na;b\r\n\\.\r\nSELECT 1"),
              (lines{"COPY t FROM STDIN WITH (FORMAT csv)", "SELECT 1"}));
    EXPECT_EQ(texts("COPY t FROM stdin;\nno end"), lines{"COPY t FROM stdin"});
    EXPECT_EQ(texts("COPY t FROM '/tmp/f'; SELECT 1"), (lines{"COPY t FROM '/tmp/f'", "SELECT 1"}));
}

TEST(splitter, commands_of_psql) {
    const script cut = split("\\set x 1\nSELECT 1 \\gexec\n\\i other.sql\nSELECT 2;");
    ASSERT_EQ(cut.pieces.size(), 4U);
    EXPECT_EQ(cut.pieces[0].kind, piece_kind::meta_command);
    EXPECT_EQ(cut.pieces[1].text, "SELECT 1");
    EXPECT_EQ(cut.pieces[1].ended_by, "\\gexec");
    EXPECT_EQ(cut.pieces[2].text, "\\i other.sql");
    EXPECT_EQ(cut.pieces[3].text, "SELECT 2");
}

TEST(splitter, places) {
    const script cut = split("\xEF\xBB\xBFSELECT 1;\r\n  -- ä\r\n  SELECT 'ä', 2\r\n;SELECT 3");
    ASSERT_EQ(cut.pieces.size(), 3U);
    EXPECT_EQ(cut.pieces[0].begin.line, 1U);
    EXPECT_EQ(cut.pieces[0].begin.column, 1U);
    EXPECT_EQ(cut.pieces[1].begin.line, 3U);
    EXPECT_EQ(cut.pieces[1].begin.column, 3U);
    EXPECT_EQ(cut.pieces[1].end_line, 4U);
    EXPECT_EQ(cut.pieces[2].begin.line, 4U);
    EXPECT_EQ(cut.pieces[2].begin.column, 2U);
    EXPECT_EQ(split("SELECT 'ä'; SELECT 2").pieces[1].begin.column, 13U);
}

TEST(splitter, what_is_no_script) {
    EXPECT_FALSE(split(std::string("\xFF\xFES\0", 4)).problem.empty());
    EXPECT_FALSE(split(std::string("SELECT 1;\0 DROP TABLE t;", 24)).problem.empty());
    EXPECT_EQ(split("SELECT 'open; DROP TABLE t;").pieces[0].open, "string");
    EXPECT_EQ(split("SELECT $a$ open; DROP TABLE t;").pieces[0].open, "string");
    EXPECT_EQ(split("SELECT (1; DROP TABLE t;").pieces[0].open, "parenthesis");
}

TEST(splitter, a_line_of_ten_megabytes) {
    const std::string row = "INSERT INTO t VALUES ('" + std::string(9'950, 'x') + "'); ";
    std::string file;
    std::size_t rows = 0;
    for (; file.size() < 10'000'000; ++rows) {
        file += row;
    }
    file += "DROP TABLE t";
    const script cut = split(file);
    EXPECT_EQ(cut.pieces.size(), rows + 1);
    EXPECT_EQ(cut.pieces.back().text, "DROP TABLE t");
    EXPECT_EQ(cut.pieces.back().begin.line, 1U);
    EXPECT_EQ(cut.pieces.back().begin.column, file.size() - 11);
}

class splitting : public test::property {};

/// Statements whose insides are hard, put together at random, come apart again as they were.
TEST_F(splitting, what_is_put_together_comes_apart) {
    const std::vector<std::string> parts{
        "SELECT 1",
        "SELECT ';--' || E'\\'' || $$;'$$ || $x$ $$ ; $x$",
        "INSERT INTO \"a;\"\"b\" VALUES ('x''y')",
        "DO $do$ BEGIN PERFORM 1; END $do$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END",
        "SELECT /* ; */ 2 -- ; '\n + 3",
        "ALTER TABLE t ADD COLUMN a int DEFAULT (1)"};
    const std::vector<std::string> between{";", ";\n", " ; ", ";\r\n", "; -- c ;\n", ";/* ; */", ";;", ";\t\n\n"};
    for (int round = rounds(300); round > 0; --round) {
        std::string file;
        lines expected;
        for (std::int64_t left = pick(1, 12); left > 0; --left) {
            expected.push_back(one_of(parts));
            file += expected.back() + one_of(between);
        }
        const script cut = split(file);
        lines found;
        for (const piece& each : cut.pieces) {
            found.push_back(each.text);
            EXPECT_TRUE(each.open.empty());
            EXPECT_EQ(cut.text.substr(each.begin.offset, each.end - each.begin.offset), each.text);
            EXPECT_LE(cut.line_starts[each.begin.line - 1], each.begin.offset);
        }
        EXPECT_EQ(found, expected) << file;
    }
}

/// Whatever comes: every byte that is neither blank, comment nor semicolon is in a piece, unless it is COPY data.
TEST_F(splitting, loses_nothing) {
    const std::vector<std::string> bits{"'", "\"",    "$$",     "$a$",      "--",   "/*",   "*/",  ";",
                                        "(", ")",     "\n",     "\r",       " ",    "E'",   "\\",  "a",
                                        "1", "begin", "atomic", "\xC3\xA4", "\xFF", "case", "end", "create function "};
    for (int round = rounds(2000); round > 0; --round) {
        const std::string file = some_of(bits, 40);
        const script cut = split(file);
        std::string covered(cut.text.size(), ' ');
        for (const piece& each : cut.pieces) {
            ASSERT_LE(each.begin.offset, each.end);
            ASSERT_LE(each.end, cut.text.size());
            covered.replace(each.begin.offset, each.end - each.begin.offset, each.end - each.begin.offset, 'x');
        }
        for (const comment& each : cut.comments) {
            covered.replace(each.begin.offset, each.end - each.begin.offset, each.end - each.begin.offset, 'c');
        }
        for (std::size_t at = 0; at < cut.text.size(); ++at) {
            const bool blank = std::string_view(" \t\r\n\f\v;").find(cut.text[at]) != std::string_view::npos;
            EXPECT_TRUE(covered[at] != ' ' || blank) << file << "\nat " << at;
        }
    }
}

TEST(marks, of_the_tools) {
    EXPECT_EQ(read_mark("-- +goose Up").kind, mark_kind::up);
    EXPECT_EQ(read_mark("-- +goose Down").kind, mark_kind::down);
    EXPECT_EQ(read_mark("-- +goose NO TRANSACTION").kind, mark_kind::no_transaction);
    EXPECT_EQ(read_mark("-- no-transaction").kind, mark_kind::no_transaction);
    EXPECT_EQ(read_mark("-- atlas:txmode none").kind, mark_kind::no_transaction);
    EXPECT_EQ(read_mark("-- migrate:up transaction:false").transaction, std::optional(false));
    EXPECT_EQ(read_mark("-- migrate:down").kind, mark_kind::down);
    EXPECT_EQ(read_mark("-- +migrate Up notransaction").transaction, std::optional(false));
    EXPECT_EQ(read_mark("-- flyway:executeInTransaction=false").kind, mark_kind::no_transaction);
    EXPECT_EQ(read_mark("--> statement-breakpoint").kind, mark_kind::breakpoint);
    EXPECT_EQ(read_mark("-- Running upgrade a -> b").kind, mark_kind::up);
    EXPECT_EQ(read_mark("--changeset me:1 runInTransaction:false").transaction, std::optional(false));
    EXPECT_EQ(read_mark("-- we go up from here").kind, mark_kind::none);
    EXPECT_TRUE(is_down_file("db/0001_x.down.sql"));
    EXPECT_TRUE(is_down_file("U2__undo.sql"));
    EXPECT_FALSE(is_down_file("V2__down_payment.sql"));
    EXPECT_FALSE(is_down_file("shutdown.sql"));
    EXPECT_TRUE(natural_less("V2__a.sql", "V10__a.sql"));
    EXPECT_FALSE(natural_less("V10__a.sql", "V2__a.sql"));
}

std::vector<std::size_t> transactions(const std::string& file, transaction_mode mode = transaction_mode::automatic) {
    std::vector<std::size_t> numbers;
    for (const step& each : read_migration("m.sql", file, mode).steps) {
        numbers.push_back(each.transaction);
    }
    return numbers;
}

TEST(migrations, what_is_in_one_transaction) {
    using numbers = std::vector<std::size_t>;
    EXPECT_EQ(transactions("SELECT 1; SELECT 2;"), (numbers{1, 1}));
    EXPECT_EQ(transactions("SELECT 1; SELECT 2;", transaction_mode::statement), (numbers{1, 2}));
    EXPECT_EQ(transactions("SELECT 1; VACUUM t;"), (numbers{1, 2}));
    EXPECT_EQ(transactions("SELECT 0; BEGIN; SELECT 1; COMMIT; SELECT 2;"), (numbers{1, 2, 2, 2, 3}));
    EXPECT_EQ(transactions("-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1; SELECT 2;"), (numbers{1, 2}));
    EXPECT_EQ(transactions("-- migrate:up\nSELECT 1; SELECT 2;\n-- migrate:down\nSELECT 3;"), (numbers{1, 1, 2}));
    EXPECT_EQ(transactions("-- migrate:up transaction:false\nSELECT 1; SELECT 2;"), (numbers{1, 2}));
    EXPECT_EQ(transactions("SELECT 1;\n--> statement-breakpoint\nVACUUM t;"), (numbers{1, 1}));
    const migration file = read_migration("m.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;");
    EXPECT_FALSE(file.steps[0].down);
    EXPECT_TRUE(file.steps[1].down);
    EXPECT_TRUE(read_migration("m.sql", "BEGIN; SELECT 1;").open_transaction);
    EXPECT_EQ(
        read_migration("V1__x.sql", "SELECT 1; SELECT 2;", transaction_mode::automatic, "executeInTransaction=false")
            .steps[1]
            .transaction,
        2U);
}

}  // namespace
}  // namespace pgeist::ddl
