import js from "@eslint/js";

export default [
  { ignores: ["build/", "staticfiles/", ".venv/"] },
  js.configs.recommended,
  {
    rules: {
      "no-undef": "off", // tsc finds undefined names
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
    },
  },
];
