// Whatever stands in names, literals, dollar quotes and comments: the clauses that were put together come out again.

#include "cli/sql_statements.hpp"
#include "pgeist/plan/alter.hpp"
#include "property.hpp"

namespace pgeist::plan {
namespace {

/// A clause, and what must be read out of it.
struct made_clause {
    std::string text;
    clause_kind kind = clause_kind::other;
    std::string column;
    std::string constraint;
    std::string using_expression;
};

class AlterProperty : public test::property {
protected:
    static const std::vector<std::string>& hazards() {
        static const std::vector<std::string> all{",",    ";",   "(",  ")",  "[",     "]",  "--", "/*", "*/", "$$",
                                                  "$",    "$a$", "E",  "\n", " ",     "ä",  "漢", "x",  "1",  "USING",
                                                  "TYPE", "::",  "\\", "U&", "ALTER", "\t", "%s", "{}", "@",  "COLUMN"};
        return all;
    }

    static std::string doubled(const std::string& text, char quote) {
        std::string out;
        for (const char c : text) {
            out += c;
            if (c == quote) {
                out += c;
            }
        }
        return out;
    }

    /// A name, as it is; quoted() writes it.
    std::string name() {
        return "n" + some_of(hazards(), 4) + (pick(0, 3) == 0 ? "\"" : "") + (pick(0, 3) == 0 ? "'" : "");
    }

    static std::string quoted(const std::string& text) { return '"' + doubled(text, '"') + '"'; }

    std::string literal() {
        const std::string inside = some_of(hazards(), 5);
        switch (pick(0, 3)) {
            case 0:
                return "'" + doubled(inside + (pick(0, 1) == 0 ? "'" : ""), '\'') + "'";
            case 1:
                return "E'" + doubled(doubled(inside, '\\'), '\'') + "\\''";
            case 2: {
                const std::string tag = pick(0, 1) == 0 ? "$never$" : "$q_1$";
                return tag + inside + "'\"" + tag;
            }
            default:
                return std::to_string(pick(0, 99999));
        }
    }

    /// What may stand between two words.
    std::string gap() {
        switch (pick(0, 7)) {
            case 0:
                return "\n";
            case 1:
                return " /* a, ; ' \" $$ ( /* nested ) */ */ ";
            case 2:
                return " -- to the end, of ' the ( line; $$ \"\n";
            default:
                return " ";
        }
    }

    std::string words(const std::vector<std::string>& all) {
        std::string text;
        for (const std::string& each : all) {
            text += (text.empty() ? "" : gap()) + each;
        }
        return text;
    }

    std::string expression() {
        switch (pick(0, 2)) {
            case 0:
                return "(" + literal() + "::text, ARRAY[1," + gap() + "2])::text";
            case 1:
                return "coalesce(" + quoted(name()) + "," + gap() + literal() + "::text)";
            default:
                return literal() + gap() + "||" + gap() + literal();
        }
    }

    made_clause clause_text() {
        made_clause made;
        const std::string one = name();
        switch (pick(0, 4)) {
            case 0:
                made.kind = clause_kind::add_column;
                made.column = one;
                made.text = words({"ADD", "COLUMN", quoted(one), "numeric(10,2)", "DEFAULT", literal()});
                break;
            case 1:
                made.kind = clause_kind::drop_column;
                made.column = one;
                made.text = words({"DROP", "COLUMN", quoted(one)});
                break;
            case 2:
                made.kind = clause_kind::alter_type;
                made.column = one;
                made.using_expression = expression();
                made.text = words({"alter", "column", quoted(one), "type", "text", "USING", made.using_expression});
                break;
            case 3:
                made.kind = clause_kind::add_constraint;
                made.constraint = one;
                made.text = words({"ADD", "CONSTRAINT", quoted(one), "CHECK",
                                   "(" + quoted(name()) + gap() + "<>" + gap() + literal() + "::text)"});
                break;
            default:
                made.column = one;
                made.text = words({"ALTER", "COLUMN", quoted(one), "SET", "DEFAULT", literal()});
        }
        return made;
    }

    static void expect_same(const clause& found, const made_clause& made) {
        EXPECT_EQ(found.text, made.text);
        EXPECT_EQ(found.kind, made.kind) << made.text;
        if (made.kind != clause_kind::other) {
            EXPECT_EQ(found.column, made.column) << made.text;
            EXPECT_EQ(found.constraint, made.constraint) << made.text;
            EXPECT_EQ(found.using_expression.value_or(""), made.using_expression) << made.text;
        }
    }
};

TEST_F(AlterProperty, ClausesComeOutAsTheyWerePutIn) {
    for (int round = 0; round < rounds(400) && !HasFailure(); ++round) {
        std::vector<made_clause> made;
        std::string text;
        const bool whole = pick(0, 1) == 0;
        const std::int64_t statements = whole ? pick(1, 3) : 1;
        for (std::int64_t statement = 0; statement < statements; ++statement) {
            text += statement > 0 ? gap() + ";" + gap() : gap();
            text += whole ? words({"ALTER", "TABLE", "public.orders"}) + gap() : "";
            for (std::int64_t left = pick(1, 4), first = left; left > 0; --left) {
                made.push_back(clause_text());
                text += (left == first ? "" : gap() + "," + gap()) + made.back().text;
            }
        }
        text += gap() + (pick(0, 1) == 0 ? ";" : "");
        qualified_name table{"public", "orders"};
        const auto found = parse_alters({text}, table);
        ASSERT_EQ(found.size(), static_cast<std::size_t>(statements)) << text;
        std::size_t at = 0;
        for (const alter_statement& statement : found) {
            for (const clause& each : statement.clauses) {
                ASSERT_LT(at, made.size()) << text;
                expect_same(each, made[at++]);
            }
            // What is run on the server reads the same again.
            const auto again = parse_alters({alter_sql("public.orders", statement)}, table);
            ASSERT_EQ(again.size(), 1U) << text;
            ASSERT_EQ(again[0].clauses.size(), statement.clauses.size()) << text;
            for (std::size_t number = 0; number < statement.clauses.size(); ++number) {
                EXPECT_EQ(again[0].clauses[number].text, statement.clauses[number].text);
            }
        }
        EXPECT_EQ(at, made.size()) << text;
    }
}

// The two that cut scripts, one with the server's scanner and one without, agree.
TEST_F(AlterProperty, ScriptsAreCutIntoTheStatementsTheyWereMadeOf) {
    for (int round = 0; round < rounds(400) && !HasFailure(); ++round) {
        std::vector<std::string> made;
        std::string script;
        for (std::int64_t left = pick(1, 5); left > 0; --left) {
            made.push_back(words({"ALTER", "TABLE", quoted(name()), clause_text().text}));
            script += made.back() + (pick(0, 1) == 0 ? ";" : " ;\n");
        }
        EXPECT_EQ(split_statements(script), made) << script;
        EXPECT_EQ(cli::split_statements(script), made) << script;
    }
}

TEST_F(AlterProperty, AssignmentsKeepTheirColumnAndExpression) {
    for (int round = 0; round < rounds(400) && !HasFailure(); ++round) {
        const std::string column = name();
        const std::string value = expression();
        const std::string text = quoted(column) + gap() + "=" + gap() + value;
        const assignment found = parse_assignment(text);
        EXPECT_EQ(found.column, column) << text;
        EXPECT_EQ(found.expression, value) << text;
    }
}

}  // namespace
}  // namespace pgeist::plan
