/* Executes instructions from stdin on this processor (gcc -m32 -no-pie run.c run.S) and prints registers, flags and memory after each. */
#include <stdio.h>
#include <string.h>
#include <stdint.h>
#include <sys/mman.h>
extern uint32_t in_r[8], in_fl; extern void *codeptr; void exec_case(void);
int main(){
  unsigned char *code=mmap(0,4096,7,MAP_PRIVATE|MAP_ANONYMOUS,-1,0);
  unsigned char *mem=mmap((void*)0x20000,8192,3,MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED,-1,0);
  if(code==MAP_FAILED||mem==MAP_FAILED){perror("mmap");return 1;}
  setvbuf(stdout,0,_IOLBF,0); codeptr=code; char hex[128]; uint32_t r[8],fl,m[4],mask;
  while(scanf("%127s %x %x %x %x %x %x %x %x %x %x %x %x %x",hex,&mask,&r[0],&r[1],&r[2],&r[3],&r[5],&r[6],&r[7],&fl,&m[0],&m[1],&m[2],&m[3])==14){
    memset(mem,0,8192); memcpy(mem+0x100,m,16);
    int n=strlen(hex)/2; for(int i=0;i<n;i++){unsigned v;sscanf(hex+2*i,"%2x",&v);code[i]=v;}
    code[n]=0xc3; memcpy(in_r,r,32); in_fl=fl|2; exec_case();
    printf("%s %x %x %x %x %x %x %x %x %x %x %x %x %x",hex,mask,r[0],r[1],r[2],r[3],r[5],r[6],r[7],fl,m[0],m[1],m[2],m[3]);
    uint32_t q[4]; memcpy(q,mem+0x100,16);
    printf(" = %x %x %x %x %x %x %x %x %x %x %x %x\n",in_r[0],in_r[1],in_r[2],in_r[3],in_r[5],in_r[6],in_r[7],in_fl&0xcd5,q[0],q[1],q[2],q[3]);
  }
}
