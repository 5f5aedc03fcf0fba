const changing = ["up", "update", "destroy", "refresh"];

/** What a command line of Pulumi did to a state: undefined when it only looked. */
export function stateChange(
  args: readonly string[],
): { readonly command: string; readonly stack: string | undefined } | undefined {
  if (args.some((word) => ["--help", "-h", "--preview-only"].includes(word))) return undefined;
  let stack: string | undefined;
  const words: string[] = [];
  for (const [index, word] of args.entries()) {
    const inOne = /^(?:-s|--stack)=(.+)$/.exec(word)?.[1] ?? /^-s(.+)$/.exec(word)?.[1];
    if (inOne !== undefined) stack = inOne.replace(/^=/, "");
    else if (word === "-s" || word === "--stack") stack = args[index + 1];
    else if (!word.startsWith("-") && args[index - 1] !== "-s" && args[index - 1] !== "--stack") words.push(word);
  }
  const command = words.find((word) => changing.includes(word));
  // `stack rm up`, `config set … up`: the first word that is no option says what is done.
  return command === undefined || words[0] !== command
    ? undefined
    : { command: command === "update" ? "up" : command, stack };
}
