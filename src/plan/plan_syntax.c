/* The YAML parser's complaints in words that say what to write instead. */
#include <string.h>

#include "plan_internal.h"

static const struct {
    const char *part, *meaning; /* a part of the parser's message, what a person should know */
} meanings[] = {
    {"invalid value after mapping", "\"key: value\" is wanted here, with a blank behind the colon"},
    {"could not find expected ':'", "\"key: value\" is wanted here, with a blank behind the colon"},
    {"invalid multiline plain key", "a colon is missing: \"key: value\" is wanted here"},
    {"invalid nested block mapping on the same line",
     "two colons in one line: write {key: value}, or a line for each setting, or quotes"},
    {"invalid scalar at the end of block sequence",
     "a line of the list has no \"- \", or this line is indented like the list"},
    {"did not find expected node content", "a value is wanted here"},
    {"did not find expected key", "\"key: value\" is wanted here"},
    {"missing comma in flow", "a comma or a closing bracket is missing"},
    {"wrongly indented flow", "a comma or a closing bracket is missing"},
    {"mismatched flow", "this closes another kind of bracket than the one that is open"},
    {"invalid extra closing", "this closes a bracket that nothing opened"},
    {"invalid extra comma", "nothing stands between two commas"},
    {"without closing quote", "the quote that opens here is not closed"},
    {"invalid escape", "in double quotes \\ has a meaning of its own: use single quotes"},
    {"plain scalar cannot start with", "a word cannot begin like this: put it in quotes"},
    {"block sequence on the same line", "write a list as [a, b], or a line \"- a\" for each value"},
    {"invalid indentation in mapping", "this line is indented neither like the settings above it "
                                       "nor like what is around them"},
};

const char *sw_plan_explain_syntax(const char *message) {
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strstr(message, meanings[i].part) != NULL) return meanings[i].meaning;
    return message;
}
